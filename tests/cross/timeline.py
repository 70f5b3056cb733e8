#!/usr/bin/env python3
"""Timelines of imghistory, as mactime, Python's csv and plaso's rules read them.

    tests/cross/timeline.py [--images N] [--seed S] [CORPUS]

Images are generated, with hostile names, PAX times and whiteouts; Python's tarfile says which entries and times their layers
have. mactime (Debian's sleuthkit) has to show each of them, and every name has to come back from it. With a corpus, its
archives are read as well.
"""
import argparse
import csv
import gzip
import hashlib
import io
import json
import math
import random
import re
import stat
import subprocess
import tarfile
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

from imgkit import Checks, scratch, tool

checks = Checks("timeline")
NAMES = ["a", "b", "x|y", "100%", "%7C", "%25|", "n\nl", "\t", "back\\slash", "\\x41", "\\|", "\udcff\udc80", "caf\u00e9", "\u009b31m", "\u202e", ' q"uote', "a,b",
         "a -> b", "a ->", "-> b", "a (layer", "a (layer 1, removed by 2)", "#c", "[x] y", "'", "=1+1", "-1", " ", "\x7f", "\\"]
BASE = 1_700_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
KINDS = {tarfile.REGTYPE: "r", tarfile.AREGTYPE: "r", tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.CHRTYPE: "c", tarfile.BLKTYPE: "b", tarfile.FIFOTYPE: "p"}
SKETCH = "message timestamp datetime timestamp_desc data_type image image_id layer diff_id created_by path state by_layer mode uid gid size sha256 tag".split()
L2T = "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra"
ENDING = re.compile(rb" \(layer \d+, (?:entry \d+, )?(?:replaced|removed|hidden|repeated|unapplied|whiteout|opaque)(?: by \d+)?\)")


def image(rng):
    """Layers of a generated image as tars, and the times of their steps."""
    files, links, layers = [], set(), []
    for number in range(rng.randint(1, 4)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            for _ in range(rng.randint(1, 12)):
                info = tarfile.TarInfo("/".join(rng.choice(NAMES) for _ in range(rng.randint(1, 2))))
                # What is below a link has the path of its target.
                if info.name.split("/")[0] in links:
                    continue
                info.mtime = rng.choice([0, 1, -1, -86400, BASE, BASE + 7, BASE + 0.5, 4_102_444_800, 253_402_300_799])
                info.mode = rng.choice([0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o7000, 0])
                info.uid, info.gid = rng.choice([0, 1000, 2_000_000]), rng.choice([0, 5])
                for key in ("atime", "ctime", "LIBARCHIVE.creationtime"):
                    if rng.random() < 0.3:
                        info.pax_headers[key] = rng.choice([str(BASE), str(BASE + 3), "0", "1700000007.25", "-5"])
                data = b""
                kind = rng.choice("ffffdlpw" if files else "ffdlp")
                if kind == "w":
                    gone = rng.choice(files)
                    if gone.split("/")[0] in links:
                        continue
                    above, _, last = gone.rpartition("/")
                    info.name = (above + "/" if above else "") + ".wh." + last
                elif kind == "f":
                    data = b"z" * rng.choice([0, 1, 600])
                    info.size = len(data)
                    files.append(info.name)
                else:
                    info.type = {"d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "p": tarfile.FIFOTYPE}[kind]
                    if kind == "l":
                        info.linkname = rng.choice(NAMES)
                        links.add(info.name)
                tar.addfile(info, io.BytesIO(data))
        created = rng.choice([None, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.75Z", f"2024-0{number + 1}-01T01:00:00+01:00"])
        layers.append((out.getvalue(), created))
    return layers


def archive(path, layers, packed):
    """Writes a docker-archive, or an OCI archive with gzip layers."""
    ids = ["sha256:" + hashlib.sha256(data).hexdigest() for data, _ in layers]
    history = [{"created_by": f"step {n}, \"quoted\"", **({"created": created} if created else {})} for n, (_, created) in enumerate(layers, 1)]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "created": "2024-06-01T00:00:00Z", "history": history,
                         "rootfs": {"type": "layers", "diff_ids": ids}}).encode()
    members = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        members[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}
    if packed:
        blobs = [blob(gzip.compress(data, 1), "layer.v1.tar+gzip") for data, _ in layers]
        manifest = json.dumps({"schemaVersion": 2, "config": blob(config, "config.v1+json"), "layers": blobs}).encode()
        members["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [blob(manifest, "manifest.v1+json")]}).encode()
    else:
        members = {f"{n}.tar": data for n, (data, _) in enumerate(layers)}
        members["config.json"] = config
        members["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": ["it:1"], "Layers": [*members][:-1]}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), BASE
            tar.addfile(info, io.BytesIO(data))


def images(path):
    """Configs and layers of an archive: open files of the layers' tars."""
    outer = tarfile.open(path)

    def document(name):
        return json.load(outer.extractfile(name))

    def member(digest):
        return "blobs/" + digest.replace(":", "/")
    names = set(outer.getnames())
    if "manifest.json" in names:
        for item in document("manifest.json"):
            yield document(item["Config"]), [outer.extractfile(outer._find_link_target(outer.getmember(name)) if outer.getmember(name).issym() else name) for name in item["Layers"]]
    else:
        for descriptor in document("index.json")["manifests"]:
            manifest = document(member(descriptor["digest"]))
            yield document(member(manifest["config"]["digest"])), [outer.extractfile(member(layer["digest"])) for layer in manifest["layers"]]


def seconds(text):
    """Whole seconds of RFC 3339, down."""
    text = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
    return int((datetime.fromisoformat(text) - EPOCH).total_seconds())


def entries(path):
    """(inode, path, fields, times) of each entry, as tarfile reads the layers; times are M, A, C, B in seconds or None.

    And (inode, MD5 or 0) of each.
    """
    found, sums = [], []
    for config, layers in images(path):
        steps = [step for step in config.get("history", []) if not step.get("empty_layer")]
        steps = [{}] * (len(layers) - len(steps)) + steps
        for number, (layer, step) in enumerate(zip(layers, steps), 1):
            created = seconds(step["created"]) if step.get("created") else None
            known = {}
            with tarfile.open(fileobj=layer, errors="surrogateescape") as tar:
                for position, info in enumerate(tar, 1):
                    name = "/".join(part for part in info.name.split("/") if part not in ("", "."))
                    above, _, last = name.rpartition("/")
                    time = [math.floor(info.mtime), *(math.floor(float(info.pax_headers[key])) if key in info.pax_headers else None for key in ("atime", "ctime"))]
                    size, kind = info.size if info.isreg() else 0, info
                    md5 = hashlib.file_digest(tar.extractfile(info), "md5").hexdigest() if info.isreg() and not last.startswith(".wh.") else "0"
                    if info.islnk():
                        target = "/".join(part for part in info.linkname.split("/") if part not in ("", "."))
                        kind, size, md5 = known.get(target, (None, None, None))
                    known[name] = (kind, size, md5)
                    sums.append((f"{number}-{position}", md5))
                    if last == ".wh..wh..opq":
                        name, mode = above, "w/w---------"
                    elif last.startswith(".wh."):
                        name, mode = (above + "/" if above else "") + last[4:], "w/w---------"
                    elif kind is None:
                        mode = None
                    else:
                        letter = KINDS[kind.type]
                        # Python writes the type of a regular file as -.
                        mode = f"{letter}/{letter}{stat.filemode(stat.S_IFREG | info.mode)[1:]}"
                    fields = (size, mode, info.uid, info.gid)
                    found.append((f"{number}-{position}", name.encode("utf-8", "surrogateescape"), fields, [*time, created]))
    return found, sums


def unescaped(name):
    """What is left to decode of a name that mactime or plaso shows."""
    return re.sub(rb"\\(?:\\|x([0-9a-f]{2}))", lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", name)


def is_named(shown, path):
    """A name as mactime shows it is that of a path: image, path, ending, target."""
    shown = re.sub(rb"^\[[^\]]*\] ", b"", shown) if not shown.startswith(b"/") else shown
    # Endings and targets have no backslash in front of their blank.
    parts = ENDING.split(shown, maxsplit=1)
    head = parts[0] if len(parts) > 1 else re.split(rb" -> ", shown, maxsplit=1)[0]
    return unescaped(head) == b"/" + path


def mactime(what, path, body, expected):
    """mactime shows each version once for each distinct time that it can show."""
    shown = tool("mactime", "-b", body, "-d", "-y")
    rows = Counter()
    names = {}
    for line in shown.split(b"\n")[1:]:
        if not line:
            continue
        match = re.fullmatch(rb'([^,]*),(\d+),([macb.]{4}),([^,]*),(\d+),(\d+),([\d-]+),"(.*)"', line, re.S)
        if not checks.true(f"{what}: a line of mactime", match, repr(line)):
            return
        date, size, letters, mode, uid, gid, inode, name = match.groups()
        rows[(date.decode(), int(size), letters.decode(), mode.decode(), int(uid), int(gid), inode.decode())] += 1
        names.setdefault(inode.decode(), set()).add(name.replace(b'""', b'"'))
    wanted = Counter()
    for inode, name, (size, mode, uid, gid), times in expected:
        by_time = {}
        for letter, time in zip("macb", times):
            if time is not None and time >= 0:
                by_time.setdefault(time, set()).add(letter)
        for time, letters in by_time.items():
            date = (EPOCH + timedelta(seconds=time)).strftime("%Y-%m-%dT%H:%M:%SZ") if time else "0000-00-00T00:00:00Z"
            wanted[(date, size, "".join(letter if letter in letters else "." for letter in "macb"), mode, uid, gid, inode)] += 1
        if by_time:
            checks.true(f"{what}: {inode} is named {name!r}", any(is_named(shown, name) for shown in names.get(inode, ())), repr(names.get(inode)))
    checks.same(f"{what}: what mactime shows", sorted((rows - wanted).elements(), key=str), sorted((wanted - rows).elements(), key=str))


def plaso(what, body, expected):
    """plaso's rules: split at bars, all but the first and the last nine fields are the name, 0 is no time."""
    found = {}
    for line in body.decode().split("\n")[:-1]:
        values = line.split("|")
        name = "|".join(values[1:-9])
        controls = [c for c in name if ord(c) < 32 or 127 <= ord(c) < 160]
        checks.true(f"{what}: no control characters", not controls, repr(line))
        found.setdefault(values[-9], []).append((name.replace("\\|", "|").encode(), [int(value) or None for value in values[-4:]]))
    for inode, name, _, times in expected:
        times = [times[1], times[0], times[2], times[3]]
        times = [time or None for time in times]
        ok = any(own == times and is_named(shown, name) for shown, own in found.get(inode, []))
        checks.true(f"{what}: {inode} {name!r} for plaso", ok, repr(found.get(inode)))
    checks.same(f"{what}: lines for plaso", sum(map(len, found.values())), len(expected))


def other_forms(what, path, expected):
    l2t = checks.run("imghistory", "--timeline", "--format", "l2tcsv", path)
    rows = list(csv.reader(io.StringIO(l2t.out.decode(), newline="")))
    checks.same(f"{what}: columns of l2tcsv", ",".join(rows[0]), L2T, l2t)
    checks.true(f"{what}: rows of l2tcsv", all(len(row) == 17 and all(row) for row in rows), next((row for row in rows if len(row) != 17 or not all(row)), None))
    letters = {}
    for row in rows[1:]:
        letters.setdefault((row[13], f"{row[0]} {row[1]}"), set()).update(row[3])
    missing = []
    for inode, _, _, times in expected:
        for letter, time in zip("MAC", times):
            if time is not None:
                at = (EPOCH + timedelta(seconds=time)).strftime("%m/%d/%Y %H:%M:%S")
                if letter not in letters.get((inode, at), ()):
                    missing.append((inode, at, letter))
    checks.same(f"{what}: events of l2tcsv", missing, [])
    lines = checks.run("imghistory", "--timeline", "--format", "timesketch", path)
    objects = [json.loads(line) for line in lines.out.decode().splitlines()]
    for row in objects:
        if list(row) != SKETCH or not all(row[key] not in ("", None) for key in SKETCH[:5]) or not isinstance(row["timestamp"], int):
            checks.true(f"{what}: a row for Timesketch", False, json.dumps(row))
            break
        at = datetime.fromisoformat(row["datetime"])
        if (at - EPOCH) // timedelta(microseconds=1) != row["timestamp"]:
            checks.true(f"{what}: times for Timesketch", False, json.dumps(row))
            break
    content = sum(row["timestamp_desc"] == "Content Modification Time" for row in objects)
    checks.same(f"{what}: rows for Timesketch", content, len(expected), lines)
    table = checks.run("imghistory", "--timeline", "--format", "timesketch-csv", path)
    table = list(csv.DictReader(io.StringIO(table.out.decode(), newline="")))
    as_text = [{key: " ".join(value) if isinstance(value, list) else "" if value is None else str(value) for key, value in row.items()} for row in objects]
    checks.same(f"{what}: CSV and JSON for Timesketch", table, as_text)


def check(what, path, folder):
    expected, sums = entries(path)
    body = Path(folder, "body")
    run = checks.run("imghistory", "--timeline", "--format", "bodyfile", "-o", body, path)
    if not checks.same(f"{what}: exit status", run.code, 0, run):
        return
    lines = body.read_bytes().split(b"\n")[:-1]
    names = [line.split(b"|")[1] for line in lines]
    checks.same(f"{what}: lines of 11 fields", sum(line.count(b"|") == 10 for line in lines), len(expected))
    checks.same(f"{what}: unique names", len(set(names)), len(names))
    mactime(what, path, body, expected)
    hashed = checks.run("imghistory", "--timeline", "--format", "bodyfile", "--hashes", "md5", path)
    fields = [line.split(b"|") for line in hashed.out.split(b"\n")[:-1]]
    found = Counter((line[2].decode(), line[0].decode()) for line in fields)
    # tarfile does not say what a hard link to another layer's file holds.
    wrong = [(inode, md5) for inode, md5 in sums if md5 and not found[(inode, md5)]]
    checks.same(f"{what}: MD5 digests", wrong, [], hashed)
    checks.same(f"{what}: the rest of the lines with digests", [b"|".join([b"0", *line[1:]]) for line in fields], lines)
    plaso(what, checks.run("imghistory", "--timeline", "--format", "bodyfile-plaso", path).out, expected)
    other_forms(what, path, expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with scratch() as folder:
        if args.corpus:
            for path in sorted(args.corpus.glob("*.tar")):
                with tarfile.open(path) as tar:
                    is_image = {"manifest.json", "index.json"} & set(tar.getnames())
                if is_image:
                    check(path.name, path, folder)
        else:
            rng = random.Random(args.seed)
            for number in range(args.images):
                path = Path(folder, "image.tar")
                archive(path, image(rng), packed=number % 2 == 1)
                check(f"image {number} of seed {args.seed}", path, folder)
    checks.done()


main()
