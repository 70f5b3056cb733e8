#!/usr/bin/env python3
"""Files that layers hold and an image does not show: imgexport --deleted, against Python's tarfile.

    tests/cross/recover.py [--images N] [--seed S] [ARCHIVE...]

No file of a layer is lost and none is there twice: the files of the final tree and those of --deleted are, as a multiset
of digests, the files of all layers, hard links included. What is written is what the record says, as a tar and in a
directory, and StoredAt cuts the same bytes out of the archive. Generated images have entries of all kinds; archives are
those of a corpus.
"""
import argparse
import collections
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
from pathlib import Path

from imgkit import Checks, scratch

checks = Checks("recover")
NAMES = ["a", "b", "c.txt", "x y", "n\nl", "\udcff", "\u00e9", ".entry-1", "d"]
PACKS = ["none", "gzip", "members", "zstd"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def generated(rng):
    """Layers of a generated image: entries as (name, type, link target, contents)."""
    layers, files, directories = [], [], ["", "sub", "sub/deep"]
    for number in range(rng.randint(1, 12)):
        layer, own = [], {}
        for _ in range(rng.randint(2, 25)):
            above = rng.choice(directories)
            name = (above + "/" if above else "") + rng.choice(NAMES)
            kind = rng.choices(["file", "dir", "link", "symlink", "fifo", "whiteout", "opaque", "again"],
                               [10, 3, 3, 2, 1, 3 * (number > 0), number > 0, 2])[0]
            if kind == "again" and own:
                name, kind = rng.choice(sorted(own)), "file"
            # What is below a file or a link is left to the rules of layers, which are not tested here.
            if any(name.startswith(other + "/") for other in [*own, *files] if other not in directories):
                continue
            if name in directories and kind not in ("whiteout", "opaque"):
                kind = "dir"
            if kind == "file":
                data = rng.randbytes(rng.choice([0, 1, 100, 511, 512, 513, 5000, 300000]))
                layer.append((name, tarfile.REGTYPE, "", data))
                own[name] = True
                files.append(name)
            elif kind == "dir" and name not in own and name not in files:
                layer.append((name, tarfile.DIRTYPE, "", b""))
                directories.append(name)
            elif kind == "link" and own and (target := rng.choice(sorted(own))) != name:
                layer.append((name, tarfile.LNKTYPE, target, b""))
                own[name] = True
                files.append(name)
            elif kind in ("symlink", "fifo") and name not in own and name not in files:
                layer.append((name, tarfile.SYMTYPE if kind == "symlink" else tarfile.FIFOTYPE, "gone" if kind == "symlink" else "", b""))
                files.append(name)
            elif kind == "whiteout" and files:
                above, _, last = rng.choice(files).rpartition("/")
                layer.append(((above + "/" if above else "") + ".wh." + last, tarfile.REGTYPE, "", b""))
            elif kind == "opaque" and above:
                layer.append((above + "/.wh..wh..opq", tarfile.REGTYPE, "", b""))
        layers.append(layer)
    return layers


def packed(data, how):
    if how == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if how == "members":
        return b"".join(gzip.compress(data[at:at + 100000], 1, mtime=0) for at in range(0, len(data), 100000))
    if how == "zstd":
        return subprocess.run(["zstd", "-1qc"], input=data, capture_output=True, check=True).stdout
    return data


def write(path, layers, rng):
    """Writes a docker-archive."""
    members, ids = {}, []
    for number, layer in enumerate(layers):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            for name, kind, target, data in layer:
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.size = kind, target, len(data)
                info.mode = 0o4755 if kind == tarfile.REGTYPE else 0o777
                info.uid, info.mtime = 1000, 1700000000 + number
                tar.addfile(info, io.BytesIO(data))
        ids.append("sha256:" + sha256(out.getvalue()))
        members[f"{number}.tar"] = packed(out.getvalue(), rng.choice(PACKS))
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}
    members["config.json"] = json.dumps(config).encode()
    names = [f"{n}.tar" for n in range(len(layers))]
    members["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": ["it:1"], "Layers": names}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def layers_of(path):
    """The layers of an archive's first image, as tars."""
    with tarfile.open(path) as tar:
        get = lambda name: tar.extractfile(name).read()
        names = tar.getnames()
        if "manifest.json" in names:
            blobs = json.loads(get("manifest.json"))[0]["Layers"]
        elif "index.json" in names:
            blob = lambda digest: "blobs/" + digest.replace(":", "/")
            document = json.loads(get("index.json"))
            while "layers" not in document:
                document = json.loads(get(blob(document["manifests"][0]["digest"])))
            blobs = [blob(layer["digest"]) for layer in document["layers"]]
        else:
            return None
        for name in blobs:
            data = get(name)
            if data.startswith(b"\x28\xb5\x2f\xfd"):
                data = subprocess.run(["zstd", "-dqc"], input=data, capture_output=True, check=True).stdout
            elif data.startswith(b"\x1f\x8b"):
                data = gzip.decompress(data)
            yield io.BytesIO(data)


def files_of(tar, below):
    """Digests of the files of one tar by name, each entry once; `below` are the files of what is under it."""
    files, found = dict(below), []
    entries = [(entry, os.path.normpath(entry.name).lstrip("/")) for entry in tar]
    for entry, name in entries:
        above, last = os.path.split(name)
        if last.startswith(".wh."):
            gone = above if last == ".wh..wh..opq" else os.path.join(above, last[4:])
            for old in [old for old in files if old == gone and last != ".wh..wh..opq" or old.startswith(gone + "/") or not gone]:
                del files[old]
    for entry, name in entries:
        if os.path.basename(name).startswith(".wh."):
            continue
        digest = None
        if entry.isreg():
            digest = sha256(tar.extractfile(entry).read())
        elif entry.islnk():
            digest = files.get(os.path.normpath(entry.linkname).lstrip("/"))
        if not entry.isdir():
            for old in [old for old in files if old.startswith(name + "/")]:
                del files[old]
        files.pop(name, None)
        if digest:
            files[name] = digest
            found.append(digest)
    return files, found


def reference(path):
    """The archive's first image."""
    with tarfile.open(path) as tar:
        if "manifest.json" not in tar.getnames():
            return path
        return f"{path}:{json.loads(tar.extractfile('manifest.json').read())[0]['RepoTags'][0]}"


def check(path, folder):
    name, image = path.name, reference(path)
    everything, below = [], {}
    for layer in layers_of(path):
        with tarfile.open(fileobj=layer, errors="surrogateescape") as tar:
            below, found = files_of(tar, below)
            everything += found
    final, deleted, out = folder / "final.tar", folder / "deleted.tar", folder / "deleted"
    run = checks.run("imgexport", "-q", "-o", final, image, timeout=600)
    if not checks.succeeds(f"imgexport {name}", run):
        return
    run = checks.run("imgexport", "-q", "--deleted", "-o", deleted, image, timeout=600)
    if not checks.succeeds(f"imgexport --deleted {name}", run):
        return
    with tarfile.open(final, errors="surrogateescape") as tar:
        _, shown = files_of(tar, {})
    with tarfile.open(deleted, errors="surrogateescape") as tar:
        first = tar.next()
        checks.same(f"{name}: the record is first", first.name, "recovered.ndjson")
        record = [json.loads(line) for line in tar.extractfile(first).read().splitlines()]
        digests, kinds = {}, {}
        for entry in tar:
            checks.true(f"{name}: once {entry.name!r}", entry.name not in kinds)
            kinds[entry.name] = entry.type
            if entry.isreg() or entry.islnk():
                digests[entry.name] = sha256(tar.extractfile(entry).read())
    digests.pop("recovered.ndjson", None)
    kinds.pop("recovered.ndjson", None)
    have, want = collections.Counter(shown) + collections.Counter(digests.values()), collections.Counter(everything)
    checks.true(f"{name}: the files of all layers", have == want,
                f"missing {dict(list((want - have).items())[:3])}, more {dict(list((have - want).items())[:3])}")

    def place(row):
        if "RecoveredAsBytes" in row:
            import base64
            return os.fsdecode(base64.b64decode(row["RecoveredAsBytes"]))
        return row["RecoveredAs"]

    rows = {place(row): row for row in record if row["RecoveredAs"] is not None}
    checks.same(f"{name}: rows and entries", sorted(rows, key=os.fsencode), sorted(kinds, key=os.fsencode))
    wrong = [place for place, digest in digests.items() if rows.get(place, {}).get("Digest") != "sha256:" + digest]
    checks.same(f"{name}: digests as the record says", wrong, [])
    with open(path, "rb") as archive:
        wrong = []
        for place, row in rows.items():
            if row.get("StoredAt") is not None:
                archive.seek(row["StoredAt"])
                if "sha256:" + sha256(archive.read(row["Length"])) != row["Digest"]:
                    wrong.append(place)
        checks.same(f"{name}: StoredAt cuts them out", wrong, [])
    run = checks.run("imgexport", "-q", "--deleted", "-C", out, image, timeout=600)
    if not checks.succeeds(f"imgexport --deleted -C {name}", run):
        return
    found, odd = {}, []
    for above, directories, files in os.walk(out):
        for part in [*directories, *files]:
            full = os.path.join(above, part)
            mode = os.lstat(full).st_mode
            if mode not in (0o100600, 0o40700):
                odd.append((full, oct(mode)))
            elif part in files:
                found[os.path.relpath(full, out)] = sha256(Path(full).read_bytes())
    checks.same(f"{name}: only files and directories", odd, [])
    checks.same(f"{name}: the same record", found.pop("recovered.ndjson", None) is not None, True)
    in_tar = {place for place in digests if kinds[place] != tarfile.LNKTYPE}
    checks.same(f"{name}: the files of the tar without links", {p: digests[p] for p in in_tar}, found)
    subprocess.run(["rm", "-rf", out, final, deleted], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("archives", nargs="*", type=Path)
    args = parser.parse_args()
    with scratch("imgkit-recover") as folder:
        folder = Path(folder)
        for number in range(args.images):
            rng = random.Random(args.seed * 1000 + number)
            path = folder / f"{number}.tar"
            write(path, generated(rng), rng)
            check(path, folder)
        for path in args.archives:
            with tarfile.open(path) as tar:
                is_image = {"manifest.json", "index.json"} & set(tar.getnames())
            # A root filesystem beside the images of a corpus is none.
            if is_image:
                check(path, folder)
    checks.done()


main()
