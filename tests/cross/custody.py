#!/usr/bin/env python3
"""Evidence is read and never written: strace on every program that reads archives; signatures of custody records.

    tests/cross/custody.py [ARCHIVE]...

Each program runs on an archive and on a layout below strace. No file of them may be opened for writing, created or changed, and none
appears beside them. Without archives, those of testdata/foreign are used. ssh-keygen signs a record and verifies it.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from imgkit import BIN, ENV, REPO, Checks, scratch, tool

checks = Checks("custody")
# {} is the evidence; what is written goes to {out}.
LINES = [
    "imgls -a {}",
    "imginspect {}",
    "imghistory {}",
    "imghistory --layers {}",
    "imghistory --dockerfile {}",
    "imghistory --timeline -o {out}/times --custody {out}/times.json {}",
    "imghistory --timeline --anomalies --format json --cache {out}/cache {}",
    "imgverify {}",
    "imgverify --custody {out}/record.json {}",
    "imgverify --check-custody {out}/record.json {}",
    "imgverify --receipt {out}/receipt {}",
    "imgfind {} -type f",
    "imgfind --cache {out}/cache {} -name x",
    "imgfind --custody {out}/find.json -e x {}",
    "imgdiff {} {}",
    "imgexport -o {out}/tree.tar {}",
    "imgexport --format json {}",
    "imgexport --deleted -o {out}/deleted.tar --custody {out}/deleted.json {}",
    "imgexport -C {out}/tree {}",
    "imgconvert {} oci:{out}/oci",
    "imgsave -o {out}/saved.tar {}",
    "imgload --store {out}/store {}",
    "imggraph {}",
]
CALLS = "open,openat,openat2,creat,truncate,ftruncate,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,mknodat,chmod,fchmodat,chown,fchownat,lchown,utimensat,setxattr,lsetxattr,removexattr"
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")


def state(path):
    """Contents, times and names of all that a path has."""
    found = {}
    for one in [path, *sorted(path.rglob("*"))]:
        info = one.lstat()
        digest = hashlib.sha256(one.read_bytes()).hexdigest() if one.is_file() else ""
        found[str(one)] = (digest, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_mode, info.st_ino)
    return found


def traced(line, evidence, out):
    """Runs a line below strace. The evidence is below its folder, from where the program runs."""
    log = Path(out, "strace")
    words = [word.replace("{out}", str(out)).replace("{}", evidence.name) for word in line.split()]
    words[0] = str(BIN / words[0])
    before = state(evidence.parent)
    done = subprocess.run(["strace", "-f", "-y", "-qq", "-o", log, "-e", f"trace={CALLS}", *words], cwd=evidence.parent, env={**ENV, "TMPDIR": str(out)},
                          capture_output=True, timeout=600)
    what = f"{line.replace('{out}', 'OUT').replace('{}', evidence.name)} of {evidence.parent.name}"
    checks.true(f"{what}: runs", done.returncode in (0, 1), done.stderr.decode("utf-8", "replace")[:500])
    opened, bad, marked = 0, [], []
    for call in log.read_text(errors="replace").splitlines():
        name = re.match(r"\d+ +(\w+)\(", call)
        if not name or "ENOENT" in call:
            continue
        # The first text of a symbolic link is what it says, not a file. Paths are relative to the folder of the evidence, or contain it.
        paths = re.findall(r'"([^"]*)"', call)
        if name[1].startswith("symlink"):
            paths = paths[1:]
        inside = any(os.path.realpath(os.path.join(directory_of(call, evidence.parent), path)).startswith(str(evidence.parent) + "/") for path in paths)
        if not inside:
            continue
        if name[1].startswith("open"):
            opened += 1
            if WRITING.search(call):
                bad.append(call)
            # Folders are found by name; a call that is refused marks nothing.
            if not re.search(r"O_NOATIME|O_DIRECTORY|O_PATH| = -1 ", call):
                marked.append(call)
        else:
            bad.append(call)
    checks.same(f"{what}: no call that writes", bad, [])
    checks.true(f"{what}: strace has seen the evidence", opened > 0)
    checks.same(f"{what}: the evidence is as it was", state(evidence.parent), before)
    # Only root and the owner may leave the access time as it is.
    checks.same(f"{what}: opened without a mark in the access time", marked, [])
    shutil.rmtree(Path(out, "tree"), ignore_errors=True)
    shutil.rmtree(Path(out, "oci"), ignore_errors=True)


def directory_of(call, default):
    """The folder that a relative path of a call starts from, as strace -y shows it."""
    found = re.search(r"[( ]\d+<([^>]*)>", call)
    return found[1] if found else str(default)


def signed(folder, archive):
    """A record is signed and verified with ssh-keygen, as the manual page says."""
    record, key = Path(folder, "signed.json"), Path(folder, "key")
    run = checks.run("imgverify", "-q", "--custody", record, "--case", "26-041", archive)
    checks.same("a record to sign", run.code, 0, run)
    tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    tool("ssh-keygen", "-q", "-Y", "sign", "-n", "custody", "-f", key, record)
    Path(folder, "allowed").write_text("examiner " + Path(f"{key}.pub").read_text())

    def verify(data):
        command = ["ssh-keygen", "-Y", "verify", "-f", Path(folder, "allowed"), "-I", "examiner", "-n", "custody", "-s", f"{record}.sig"]
        return subprocess.run(command, input=data, capture_output=True).returncode == 0
    data = record.read_bytes()
    checks.true("ssh-keygen verifies a record", verify(data))
    checks.true("ssh-keygen refuses a changed record", not verify(data.replace(b"26-041", b"26-042")))
    stated = json.loads(data)
    for path, digest in [(archive, stated["Input"]["Before"]["SHA256"]), (archive, stated["Input"]["After"]["SHA256"]), (BIN / "imgverify", stated["Program"]["SHA256"])]:
        checks.same(f"sha256sum of {Path(path).name}", "sha256:" + tool("sha256sum", path).decode().split()[0].lstrip("\\"), digest)


def main():
    archives = [Path(name) for name in sys.argv[1:]] or [REPO / "testdata/foreign/docker-buildkit.tar"]
    with scratch() as folder:
        out = Path(folder, "out")
        out.mkdir()
        for number, archive in enumerate(archives):
            place = Path(folder, f"evidence{number}")
            place.mkdir()
            one = place / "app.tar"
            shutil.copy(archive, one)
            layout = Path(folder, f"layout{number}")
            layout.mkdir()
            tool(BIN / "imgconvert", "-q", "--all", one, f"oci:{layout}/oci", check=False)
            for evidence in [one, layout / "oci"]:
                if not evidence.exists():
                    continue
                for line in LINES:
                    traced(line, evidence, out)
        signed(folder, Path(folder, "evidence0/app.tar"))
    checks.done()


main()
