#!/usr/bin/env python3
"""Stacks of small random layers, applied by docker with overlay2 and by imgexport.

    tests/cross/stacks.py [--rounds N] [--seed N]

Symbolic links to directories, files, other links and nothing, relative, absolute and with `..`; files, whiteouts, hard
links and directories below them. Each stack is loaded, made a container of and exported by docker (DOCKER_HOST names
an engine with overlay2; without one this is left out, and said). What docker refuses, imgexport may apply where other
engines do; what docker applies, imgexport has to make the same files of, and imgverify must not call damaged.
Left out on purpose, where docker contradicts the image specification: whiteouts beside an entry of the same name in one
layer; and paths that come twice in a layer, which docker's tar-split refuses.
"""
import argparse
import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
from pathlib import Path

from imgkit import Checks, scratch

checks = Checks("stacks")
ROUNDS = 60
NAME = "stacks/random:1"
# What docker puts into every container.
DOCKERS = {".dockerenv", "dev", "etc", "dev/console", "dev/pts", "dev/shm", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"}


def layer(items):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for kind, path, text in items:
            folder, _, base = path.rpartition("/")
            info = tarfile.TarInfo(path)
            info.mtime, info.mode, data = 1704067200, 0o644, b""
            if kind == "d":
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif kind == "f":
                data = text.encode()
            elif kind in "lh":
                info.type, info.linkname = {"l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}[kind], text
            elif kind == "w":
                info.name = f"{folder}/.wh.{base}".lstrip("/")
            elif kind == "o":
                info.name = f"{path}/.wh..wh..opq"
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(layers):
    blobs = [layer(items) for items in layers]
    made = "2024-01-01T00:00:00Z"
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": made, "config": {"Cmd": ["/x"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(blob).hexdigest() for blob in blobs]},
        "history": [{"created": made, "created_by": "x"} for _ in blobs],
    }).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    members = {f"l{number}/layer.tar": blob for number, blob in enumerate(blobs)}
    manifest = json.dumps([{"Config": name, "RepoTags": [NAME], "Layers": list(members)}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, data in {name: config, **members, "manifest.json": manifest}.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def shown(data):
    rows = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            name = os.path.normpath(member.name).strip("/")
            if name in DOCKERS or name == ".":
                continue
            if member.islnk():
                rows.append(f"h {name}>{member.linkname.strip('/')}")
            elif member.isdir():
                rows.append(f"d {name} {member.mode & 0o7777:o}")
            elif member.issym():
                rows.append(f"l {name} {member.linkname}")
            else:
                rows.append(f"f {name} {tar.extractfile(member).read().decode()}")
    return sorted(rows)


def docker(*words, data=None):
    return subprocess.run(["/usr/bin/docker", *words], input=data, capture_output=True)


def by_docker(data):
    """The files that docker makes of an archive, or why it makes none."""
    loaded = docker("load", "-q", data=data)
    if loaded.returncode:
        return None, loaded.stderr.decode().strip()
    container = docker("create", "--network", "none", NAME, "x")
    number = container.stdout.decode().strip()
    try:
        exported = docker("export", number)
        if container.returncode or exported.returncode:
            return None, (container.stderr + exported.stderr).decode().strip()
        return shown(exported.stdout), None
    finally:
        docker("rm", number)
        docker("rmi", "-f", NAME)


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def path(self):
        return "/".join(self.random.choices("abc", k=self.random.randint(1, 3)))

    def layer(self, low):
        items, seen, marked = [], set(), set()
        for _ in range(self.random.randint(1, 7)):
            kind = self.random.choice("ddfffllhw" + "o" * low)
            path, text = self.path(), ""
            if kind == "f":
                text = str(self.random.randint(0, 999))
            elif kind == "l":
                text = self.random.choice(["", "", "/", "../", "../../"]) + self.path()
            elif kind == "h":
                files = [path for kind, path, _ in items if kind == "f"]
                text = self.random.choice(files or [self.path()])
            # A path that an entry and a whiteout have, or two entries.
            taken = marked if kind not in "wo" else seen
            if path in seen or path in taken or kind == "o" and path in marked:
                continue
            (marked if kind in "wo" else seen).add(path)
            items.append((kind, path, text))
        return items

    def make(self):
        layers = [self.layer(number) for number in range(self.random.randint(1, 3))]
        return [items for items in layers if items] or [[("f", "a", "a")]]


def contradicts(layers):
    """Whether docker and the specification differ: a whiteout and an entry of one name, or below it, in one layer."""
    for items in layers:
        marked = [path for kind, path, _ in items if kind in "wo"]
        written = [path for kind, path, _ in items if kind not in "wo"]
        for mark in marked:
            if any(path == mark or path.startswith(mark + "/") or mark.startswith(path + "/") for path in written):
                return True
            if any(other != mark and (other + "/").startswith(mark + "/") for other in marked):
                return True
    return False


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rounds", type=int, default=ROUNDS)
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    if not os.environ.get("DOCKER_HOST"):
        print("LEFT OUT: docker export: DOCKER_HOST names no engine", flush=True)
        return checks.done()
    driver = docker("info", "--format", "{{.Driver}}").stdout.decode().strip()
    if driver != "overlay2":
        print(f"LEFT OUT: docker export: the engine's storage driver is {driver}, not overlay2", flush=True)
        return checks.done()
    both = refused = number = 0
    with scratch() as folder:
        path = Path(folder) / "app.tar"
        while both < args.rounds and number < 20 * args.rounds:
            number += 1
            layers = Maker(f"{args.seed}.{number}").make()
            if contradicts(layers):
                continue
            what = f"{args.seed}.{number}: " + " // ".join(" | ".join(" ".join(item).strip() for item in items) for items in layers)
            data = archive(layers)
            theirs, why = by_docker(data)
            if theirs is None:
                refused += 1
                continue
            both += 1
            path.write_bytes(data)
            run = checks.run("imgexport", "-q", "-o", Path(folder) / "out.tar", path)
            if checks.succeeds(what, run):
                checks.same(what, shown((Path(folder) / "out.tar").read_bytes()), theirs)
            checks.same(f"{what}: imgverify", checks.run("imgverify", "-q", path).code, 0)
    print(f"{both} stacks that docker applies, {refused} that it refuses")
    checks.done()


if __name__ == "__main__":
    main()
