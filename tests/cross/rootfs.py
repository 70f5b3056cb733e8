#!/usr/bin/env python3
"""Root filesystems as imgexport writes them, against docker export and umoci unpack.

    tests/cross/rootfs.py CORPUS

Every image of the corpus: entry by entry against `docker export` of a fresh container (DOCKER_HOST names the corpus's
engine; without it that is left out, and said), and file by file against `umoci unpack`, both as root. Then the speed,
as ratios in one run, which are shown and not judged.
"""
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch, tool

checks = Checks("rootfs")
# What docker puts into every container, and the folders whose times that changes.
DOCKERS = {".dockerenv", "dev/console", "dev/pts", "dev/shm", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"}
TOUCHED = {"", "dev", "etc"}


def hashed(stream):
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def of_tar(path):
    """Path -> everything about it that two tars of the same files have in common; and the groups of hard links."""
    found, groups = {}, {}
    with tarfile.open(path, errors="surrogateescape") as tar:
        for member in tar:
            name = os.path.normpath(member.name).strip("/")
            name = "" if name == "." else name
            if member.islnk():
                target = os.path.normpath(member.linkname).strip("/")
                groups.setdefault(target, {target}).add(name)
                found[name] = dict(found[target])
                continue
            if name in found:
                checks.true(f"{path}: {name} once", False)
            xattrs = {key[13:]: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
            row = {"type": member.type, "mode": oct(member.mode & 0o7777), "owner": [member.uid, member.gid], "xattrs": xattrs}
            # docker export drops what is less than a second.
            row["mtime"] = int(member.mtime // 1)
            if member.isfile():
                row |= {"size": member.size, "sha256": hashed(tar.extractfile(member)), "type": b"0"}
            if member.issym():
                row["target"] = member.linkname
            if member.isdev():
                row["device"] = [member.devmajor, member.devminor]
            found[name] = row
    return found, sorted(sorted(group) for group in groups.values())


def of_folder(top):
    found, inodes = {}, {}
    top = os.fsencode(top)
    for folder, folders, files in os.walk(top):
        for name in [b"", *folders, *files] if folder == top else [*folders, *files]:
            path = os.path.join(folder, name).rstrip(b"/")
            shown = os.fsdecode(path[len(top):].strip(b"/"))
            status = os.lstat(path)
            row = {
                "mode": oct(status.st_mode),
                "owner": [status.st_uid, status.st_gid],
                "mtime": status.st_mtime_ns,
                "xattrs": {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in os.listxattr(path, follow_symlinks=False)},
            }
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as stream:
                    row |= {"size": status.st_size, "sha256": hashed(stream)}
            if stat.S_ISLNK(status.st_mode):
                row["target"] = os.fsdecode(os.readlink(path))
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                row["device"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                inodes.setdefault(status.st_ino, []).append(shown)
            found[shown] = row
    return found, sorted(sorted(names) for names in inodes.values())


def compare(what, ours, theirs, skip=frozenset(), touched=frozenset()):
    (ours, our_groups), (theirs, their_groups) = ours, theirs
    keep = lambda rows: {name: row for name, row in rows.items() if name not in skip}
    ours, theirs = keep(ours), keep(theirs)
    checks.same(f"{what}: the same paths", sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys()))
    wrong = []
    for name in sorted(ours.keys() & theirs.keys()):
        a, b = dict(ours[name]), dict(theirs[name])
        if name in touched:
            a.pop("mtime"), b.pop("mtime")
        if a != b:
            wrong.append(f"{name!r}: expected {b}, found {a}")
    checks.true(f"{what}: {len(ours)} entries are the same", not wrong and len(ours) > 10, "\n    ".join(wrong[:10]))
    checks.same(f"{what}: the same hard links", our_groups, their_groups)


def docker(*words):
    return tool("/usr/bin/docker", *words).decode().strip()


def against_docker(corpus, tmp):
    if not os.environ.get("DOCKER_HOST"):
        print("LEFT OUT: docker export: DOCKER_HOST names no engine", flush=True)
        return
    for place, name in [
        ("classic.tar", "corpus/classic:1"),
        ("classic2.tar", "corpus/classic2:1"),
        ("buildkit.tar", "corpus/buildkit:1"),
        ("big.tar", "corpus/big:1"),
        ("committed.tar", "corpus/committed:1"),
        ("multi.tar:corpus/web:1", "corpus/web:1"),
    ]:
        container = docker("create", "--network", "none", name, "true")
        theirs = tmp / "docker.tar"
        try:
            docker("export", "-o", theirs, container)
        finally:
            docker("rm", container)
        ours = tmp / "ours.tar"
        run = checks.run("imgexport", "-q", "-o", ours, f"{corpus}/{place}", timeout=600)
        if checks.succeeds(f"imgexport {place}", run):
            compare(f"{place} and docker export", of_tar(ours), of_tar(theirs), DOCKERS, TOUCHED)
        theirs.unlink()
        ours.unlink(missing_ok=True)
    # A container that was changed: its image, exported, is the container's own export.
    run = checks.run("imgexport", "-q", "-o", tmp / "ours.tar", f"{corpus}/committed.tar", timeout=600)
    if checks.succeeds("imgexport committed.tar", run):
        theirs = of_tar(corpus / "facts/classic.container-export.tar")
        compare("committed.tar and the container's export", of_tar(tmp / "ours.tar"), theirs, DOCKERS, TOUCHED)


def against_umoci(corpus, tmp):
    if not shutil.which("umoci"):
        checks.true("umoci is there", False, "MISSING TOOL: umoci")
        return
    for image in ["classic", "big"]:
        bundle, out = tmp / "bundle", tmp / "out"
        tool("umoci", "unpack", "--image", f"{corpus}/oci:{image}", bundle)
        run = checks.run("imgexport", "-q", "-C", out, f"{corpus}/oci:{image}", timeout=600)
        if checks.succeeds(f"imgexport -C oci:{image}", run):
            compare(f"oci:{image} and umoci unpack", of_folder(out), of_folder(bundle / "rootfs"))
        # GNU tar makes the same files of the tar.
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        tar = tmp / "ours.tar"
        checks.run("imgexport", "-q", "-o", tar, f"{corpus}/oci:{image}", timeout=600)
        tool("tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", tar, "-C", out)
        # An archive says nothing of the top, as docker's does not.
        compare(f"oci:{image} through GNU tar and umoci unpack", of_folder(out), of_folder(bundle / "rootfs"), {""})
        for left in (bundle, out):
            shutil.rmtree(left)
        tar.unlink()


def timed(*command, times=3):
    best = None
    for _ in range(times):
        start = time.monotonic()
        subprocess.run([str(word) for word in command], env=ENV, check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - start
        best = took if best is None or took < best else best
    return best


def speed(corpus, tmp):
    out, copy = tmp / "ours.tar", tmp / "copy.tar"
    program = BIN / "imgexport"
    ours = timed("sh", "-c", f"rm -f {out}; {program} -q -o {out} {corpus}/big.tar")
    cp = timed("sh", "-c", f"rm -f {copy}; cp {out} {copy} && sync {copy}")
    layout = timed("sh", "-c", f"rm -f {out}; {program} -q -o {out} {corpus}/oci:big")
    index = json.loads((corpus / "oci/index.json").read_text())
    name = "org.opencontainers.image.ref.name"
    digest = next(m["digest"] for m in index["manifests"] if m["annotations"][name] == "big")
    blob = lambda digest: corpus / "oci/blobs" / digest.replace(":", "/")
    layers = " ".join(str(blob(layer["digest"])) for layer in json.loads(blob(digest).read_text())["layers"])
    gunzip = timed("sh", "-c", f"for layer in {layers}; do gzip -dc $layer; done")
    print(f"speed: docker-archive {ours:.2f} s, cp {cp:.2f} s: {ours / cp:.2f}; OCI layout {layout:.2f} s, gzip -d {gunzip:.2f} s: {layout / gunzip:.2f}")
    shutil.rmtree(tmp / "files", ignore_errors=True)


corpus = Path(sys.argv[1])
with scratch() as folder:
    tmp = Path(folder)
    against_docker(corpus, tmp)
    against_umoci(corpus, tmp)
    speed(corpus, tmp)
checks.done()
