#!/usr/bin/env python3
"""imgdiff against docker: what `docker export` gives of two images, compared plainly, and `docker diff` itself.

    tests/cross/diff.py CORPUS

DOCKER_HOST names the private engine that runs on the corpus; without it only what `docker diff` once said is compared.
"""
import hashlib
import itertools
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from imgkit import Checks

checks = Checks("diff")
corpus = Path(sys.argv[1])
DOCKER = "/usr/bin/docker"
ARCHIVES = [name for name in ("classic", "classic2", "committed", "buildkit", "big") if (corpus / f"{name}.tar").exists()]


def exported(name):
    """The files of an image as a container of it would have them: path -> everything that docker keeps."""
    out = subprocess.run([DOCKER, "load", "-q", "-i", corpus / f"{name}.tar"], capture_output=True, text=True, check=True).stdout
    image = re.search(r"Loaded image(?: ID)?: (\S+)", out).group(1)
    container = subprocess.run([DOCKER, "create", image, "true"], capture_output=True, text=True, check=True).stdout.strip()
    files, contents = {}, {}
    try:
        export = subprocess.Popen([DOCKER, "export", container], stdout=subprocess.PIPE)
        with tarfile.open(fileobj=export.stdout, mode="r|") as tar:
            for member in tar:
                path = "/" + member.name.strip("/")
                body = ""
                if member.isreg():
                    body = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
                    contents[member.name] = body
                kind = "file" if member.isreg() or member.islnk() else member.type
                if member.islnk():
                    body = contents.get(member.linkname, "")
                xattrs = sorted((k, v) for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr."))
                mode = None if member.issym() else member.mode
                target = member.linkname if member.issym() else ""
                files[path] = (str(kind), mode, member.uid, member.gid, body, target, member.devmajor, member.devminor, str(xattrs))
        export.wait()
    finally:
        subprocess.run([DOCKER, "rm", container], capture_output=True)
    return files


def plain(old, new):
    letters = {}
    for path in old.keys() | new.keys():
        if path not in new:
            letters[path] = "D"
        elif path not in old:
            letters[path] = "A"
        elif old[path] != new[path]:
            letters[path] = "C"
    return letters


def told(a, b, *more):
    run = checks.run("imgdiff", "--format", "json", *more, corpus / f"{a}.tar", corpus / f"{b}.tar")
    rows = [row for row in run.rows() if row["Type"] == "path" and row["Fields"] != ["links"]]
    return run, {row["Path"]: row["Change"] for row in rows}


if os.environ.get("DOCKER_HOST"):
    trees = {name: exported(name) for name in ARCHIVES}
    for a, b in itertools.permutations(ARCHIVES, 2):
        run, found = told(a, b)
        checks.same(f"{a} {b}: what differs", found, plain(trees[a], trees[b]), run)
        checks.same(f"{a} {b}: exit status", run.code, 1, run)

facts = corpus / "facts/classic.container-diff.txt"
run, found = told("classic", "committed", "--parents")
lines = sorted(f"{letter} {path}" for path, letter in found.items())
checks.same("committed: what docker diff said", lines, sorted(facts.read_text().split("\n")[:-1]), run)

# The same image packed in another way, and the same answer on every run and number of threads.
oci = corpus / "classic-oci.tar"
if oci.exists():
    run = checks.run("imgdiff", "--format", "json", corpus / "classic.tar", oci)
    checks.same("classic, repacked: no file differs", [row for row in run.rows() if row["Type"] == "path"], [], run)
first = checks.run("imgdiff", "--format", "json", corpus / "classic.tar", corpus / "big.tar")
for jobs in (1, 2, 5):
    again = checks.run("imgdiff", "-j", jobs, "--format", "json", corpus / "classic.tar", corpus / "big.tar")
    checks.true(f"classic big: the same with {jobs} threads", again.out == first.out)

# Waste: what is seen and what is not is all there is.
for name in ARCHIVES:
    run = checks.run("imgdiff", "--waste", "--format", "json", corpus / f"{name}.tar")
    rows = run.rows()
    layers = [row for row in rows if row["Type"] == "layer"]
    paths = [row for row in rows if row["Type"] == "path"]
    total = rows[-1] if rows else {}
    for part in (layers, paths):
        checks.same(f"{name}: waste adds up", sum(row["WastedBytes"] for row in part), total.get("WastedBytes"), run)
    score = 1 - total.get("WastedBytes", 0) / max(total.get("FileBytes", 1), 1)
    checks.true(f"{name}: the score agrees with the bytes", abs(score - total.get("Score", -1)) < 1e-9, str(total))

checks.done()
