#!/usr/bin/env python3
"""zstd:chunked layers as imgconvert writes them, beside those of skopeo; and the tar-split beside podman's own.

    tests/cross/chunked.py [big.tar …]

Of the same plain layers, skopeo's table of contents must have the same entries with the same chunks: where frames lie
is all that may differ, since it depends on the codec. podman's storage keeps a tar-split of every layer it unpacks,
which must be the same bytes and the same checksums. The tar-split is also put together here, from the chunks that the
table of contents leads to.
"""
import base64
import gzip
import hashlib
import io
import json
import random
import sys
import tarfile
from pathlib import Path

from imgkit import REPO, Checks, fresh, scratch, tool

checks = Checks("chunked")
FOREIGN = REPO / "testdata/foreign"
SOURCES = ["docker-classic.tar", "docker-buildkit.tar", "podman-oci.tar", "skopeo-oci.tar", "buildah-oci.tar"]
NEW, OLD = "io.github.containers.zstd-chunked.", "io.containers.zstd-chunked."


def unzstd(data):
    return tool("zstd", "-dcq", stdin=data)


def layout(path):
    """The descriptors of the layers of a layout's only image, and its blobs."""
    def blob(digest):
        return (path / "blobs" / digest.replace(":", "/")).read_bytes()
    index = json.loads((path / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    config = json.loads(blob(manifest["config"]["digest"]))
    return [(layer, blob(layer["digest"])) for layer in manifest["layers"]], config["rootfs"]["diff_ids"]


def table(layer, data):
    """The table of contents that a layer's annotations lead to; None without them."""
    notes = layer.get("annotations", {})
    prefix = NEW if NEW + "manifest-position" in notes else OLD
    if prefix + "manifest-position" not in notes:
        return None, None
    at, length, plain, kind = map(int, notes[prefix + "manifest-position"].split(":"))
    packed = data[at:at + length]
    text = unzstd(packed)
    good = kind == 1 and len(text) == plain and notes[prefix + "manifest-checksum"] == "sha256:" + hashlib.sha256(packed).hexdigest()
    checks.true("annotations lead to the table of contents", good, str(notes))
    split = None
    if prefix + "tarsplit-position" in notes:
        at, length, plain = map(int, notes[prefix + "tarsplit-position"].split(":"))
        lines = unzstd(data[at:at + length])
        checks.same("the tar-split's digest", json.loads(text)["tarSplitDigest"], "sha256:" + hashlib.sha256(data[at:at + length]).hexdigest())
        checks.same("the tar-split's length", len(lines), plain)
        split = [json.loads(line) for line in lines.splitlines()]
    return json.loads(text), split


def plain_row(row):
    """What two writers must agree on. Old ones write Go's zero time where there is none, and no empty maps."""
    return {key: value for key, value in row.items()
            if key not in ("offset", "endOffset") and value not in ("0001-01-01T00:00:00Z", {}, None)}


def segments(lines):
    """A tar-split with neighbouring segments as one, and without empty ones."""
    out = []
    for line in lines:
        payload = base64.b64decode(line.get("payload") or "")
        name = line.get("name") or line.get("name_raw", "")
        if line["type"] == 2 and out and out[-1][0] == 2:
            out[-1] = (2, "", 0, out[-1][3] + payload)
        elif line["type"] != 2 or payload:
            out.append((line["type"], name, line.get("size", 0), payload))
    return out


def assemble(toc, lines, data):
    """The tar, from the frames that the table of contents leads to."""
    files = {}
    for row in toc["entries"]:
        if row["type"] == "reg" and row.get("digest"):
            contents = unzstd(data[row["offset"]:row["endOffset"]])
            checks.same(f"{row['name']}: digest", "sha256:" + hashlib.sha256(contents).hexdigest(), row["digest"])
            files[row["name"]] = contents
    return b"".join(files[line["name"]] if line["type"] == 1 and line.get("size") else
                    base64.b64decode(line["payload"] or "") if line["type"] == 2 else b"" for line in lines)


def podman_splits(archive, tmp):
    """The tar-split of each layer of an archive, by diff ID, as podman's storage keeps it."""
    # podman takes no long paths here.
    root = fresh(tmp, "ik.")
    tool("podman", "--root", root / "root", "--runroot", root / "run", "--storage-driver", "vfs", "load", "-q", "-i", archive)
    folder = root / "root/vfs-layers"
    found = {}
    for layer in json.loads((folder / "layers.json").read_text()):
        lines = gzip.decompress((folder / f"{layer['id']}.tar-split.gz").read_bytes())
        found[layer["diff-digest"]] = [json.loads(line) for line in lines.splitlines()]
    return found


def one(source, tmp):
    name = source.name
    folder = fresh(tmp)
    plain, ours, theirs = folder / "plain", folder / "ours", folder / "theirs"
    common = ["--media-types", "oci", source]
    checks.succeeds(f"{name}: plain", checks.run("imgconvert", "--compression", "none", *common, f"oci:{plain}:a", timeout=600))
    run = checks.run("imgconvert", "--compression", "zstd:chunked", *common, f"oci:{ours}:a", timeout=600)
    if not checks.succeeds(f"{name}: zstd:chunked", run):
        return
    sound = checks.run("imgverify", ours, timeout=600)
    checks.same(f"{name}: imgverify", sound.code, 0, sound)
    tool("skopeo", "--insecure-policy", "copy", "-q", "--dest-compress-format", "zstd:chunked", f"oci:{plain}:a", f"oci:{theirs}:a")
    tool("skopeo", "--insecure-policy", "copy", "-q", f"oci:{plain}:a", f"docker-archive:{folder / 'plain.tar'}:imgkit-test/a:1")
    splits = podman_splits(folder / "plain.tar", tmp)
    (tars, ids), (mine, _), (others, _) = layout(plain), layout(ours), layout(theirs)
    # Old versions of skopeo lose zeros after the end marker, and with them the diff ID.
    whole = all(unzstd(data) == tar for (_, tar), (_, data) in zip(tars, others))
    sound = checks.run("imgverify", theirs, timeout=600)
    checks.same(f"{name}: skopeo's, by imgverify", sound.code, 0 if whole else 1, sound)
    checks.true(f"{name}: skopeo's tables of contents, by imgverify", b"toc-" not in sound.out, sound.out.decode())
    for i, ((_, tar), (layer, data), (other, other_data)) in enumerate(zip(tars, mine, others)):
        what = f"{name}: layer {i + 1}"
        checks.true(f"{what}: unpacks to the same tar", unzstd(data) == tar)
        toc, lines = table(layer, data)
        if not checks.true(f"{what}: has a table of contents", toc is not None or not tarfile.open(fileobj=io.BytesIO(tar)).getnames()):
            continue
        reference, _ = table(other, other_data)
        if toc is None:
            continue
        checks.same(f"{what}: the rows of skopeo", [plain_row(row) for row in toc["entries"]], [plain_row(row) for row in reference["entries"] or []])
        checks.true(f"{what}: the tar-split makes the tar", assemble(toc, lines, data) == tar)
        checks.same(f"{what}: the tar-split of podman", segments(lines), segments(splits[ids[i]]))
    print(f"{name}: {sum(len(data) for _, data in mine)} bytes, skopeo {sum(len(data) for _, data in others)}, plain {sum(len(data) for _, data in tars)}")


def made(path):
    """An image whose layer has long files, holes, links, long names, attributes and times of all kinds."""
    rng = random.Random(3)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def add(name, data=b"", **fields):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
        add("usr/", type=tarfile.DIRTYPE, mode=0o1777)
        add("usr/noise", rng.randbytes(3_000_000), mtime=1700000000.25)
        add("usr/text", b"".join(b"line %d of a file\n" % n for n in range(60_000)), uid=1000, gid=1001, mode=0o4755)
        add("usr/holes", rng.randbytes(5000) + bytes(1_500_000) + rng.randbytes(70_000) + bytes(1023) + b"x" + bytes(1024))
        add("usr/zeros", bytes(3_000_000))
        add("usr/same", b"\x07" * 2_500_000)
        add("usr/empty")
        add("usr/" + "long" * 60, b"long name")
        add("usr/hard", type=tarfile.LNKTYPE, linkname="usr/text")
        add("usr/soft", type=tarfile.SYMTYPE, linkname="text<>&")
        add("usr/grün", b"utf-8", pax_headers={"SCHILY.xattr.user.x": "v\x01\n", "atime": "1.5", "ctime": "-1.25"})
        add("usr/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    data = layer.getvalue()
    diff_id = "sha256:" + hashlib.sha256(data).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": name + ".json", "RepoTags": ["imgkit-test/made:1"], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as out:
        for member, content in ((name + ".json", config), ("layer.tar", data), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))


def main():
    with scratch("imgkit-chunked") as tmp:
        made(Path(tmp) / "made.tar")
        for source in [Path(tmp) / "made.tar", *(FOREIGN / name for name in SOURCES), *map(Path, sys.argv[1:])]:
            one(source, tmp)
    checks.done()


if __name__ == "__main__":
    main()
