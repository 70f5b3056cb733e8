#!/usr/bin/env python3
"""The tree of imgbase deb against the one that mmdebstrap makes of the same mirror.

    tests/cross/standins.py MIRROR      (what make-mirror made: mirror/, keyring.gpg, minbase.tar)

Every path, kind, mode, owner, link and content is compared; times are not. LEFT_OUT is what is missing on purpose.
"""
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path

from imgkit import Checks

DEVICES = "console fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
LEFT_OUT = {f"dev/{name}" for name in DEVICES} | {
    # Written by the tool that makes the system, not by packages.
    "etc/apt/sources.list", "etc/fstab", "etc/hostname", "etc/resolv.conf",
    # debconf's answers: no question is asked.
    "var/cache/debconf/config.dat", "var/cache/debconf/config.dat-old", "var/cache/debconf/passwords.dat",
    "var/cache/debconf/templates.dat", "var/cache/debconf/templates.dat-old",
    # What apt and dpkg leave when they run.
    "var/cache/apt/archives/lock", "var/lib/apt/lists/lock", "var/lib/apt/extended_states",
    "var/lib/dpkg/arch", "var/lib/dpkg/diversions-old", "var/lib/dpkg/status-old",
}


def tree(path):
    """path -> (kind, mode, uid, gid, digest or link)"""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            if name in ("", "."):
                continue
            if member.islnk():
                found[name] = found[member.linkname.removeprefix("./")]
                continue
            what = member.linkname if member.issym() else ""
            if member.isreg():
                what = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
            mode = 0 if member.issym() else member.mode
            found[name] = (member.type, oct(mode), member.uid, member.gid, what)
    return found


def main():
    mirror = Path(sys.argv[1])
    checks = Checks("standins")
    assert len(LEFT_OUT) == 29
    with tempfile.TemporaryDirectory() as work:
        image, rootfs = Path(work, "image.tar"), Path(work, "rootfs.tar")
        run = checks.run("imgbase", "deb", "--suite", "bookworm", "--variant", "minbase", "--repo", mirror / "mirror",
                         "--keyring", mirror / "keyring.gpg", "-o", image, timeout=600)
        if checks.true("imgbase deb makes minbase", run.code == 0, run.err):
            run = checks.run("imgexport", "-o", rootfs, image, timeout=600)
            checks.true("imgexport", run.code == 0, run.err)
            ours, reference = tree(rootfs), tree(mirror / "minbase.tar")
            checks.same("missing paths", sorted(reference.keys() - ours.keys()), sorted(LEFT_OUT))
            checks.same("paths that nobody else makes", sorted(ours.keys() - reference.keys()), [])
            for path in sorted(ours.keys() & reference.keys()):
                checks.same(path, ours[path], reference[path])
    checks.done()


if __name__ == "__main__":
    main()
