#!/usr/bin/env python3
"""Packages whose scripts are left to a container, compared with the emulation of the same scripts.

    tests/cross/configure.py MIRROR      (what make-mirror made: debs/; an engine at DOCKER_HOST, else all is LEFT OUT)

dpkg configures the image of --configure emit in a container. Its tree is the oracle for the emulation, which runs
nothing: each difference must belong to a package that the report calls uncovered. Accounts are
compared by name, because dpkg numbers them in its own order.
"""
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from imgkit import Checks, listed

PACKAGES = "nginx,openssh-server,redis-server,dbus"
NAME = "imgkit-cross-configure"
# What running anything leaves behind: logs, backups, caches, the runtime's own files, answers to questions.
LEFT_OUT = ("dev/", "proc/", "sys/", "run/", "tmp/", "var/cache/debconf", "var/cache/ldconfig/", "var/lib/dpkg/triggers",
            "var/lib/dpkg/info", "var/log/alternatives.log", ".dockerenv", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
            "usr/sbin/imgbase-configure")
BACKUPS = {"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old",
           "var/lib/dpkg/statoverride-old"}
# Made by apt when it runs, and by its emulation.
APT = {"var/cache/apt/archives/partial", "var/lib/apt/lists/partial"}
# By the package whose script makes it; the report must name that package as uncovered.
UNCOVERED = {
    "openssh-server": ("etc/ssh/ssh_host_", "etc/ssh/sshd_config", "etc/runit/", "var/lib/ucf/",
                       "var/lib/systemd/deb-systemd-helper-enabled/ssh.socket.dsh-also"),
    "dbus-daemon": ("var/lib/dbus/machine-id",),
}
ACCOUNTS = {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "var/lib/dpkg/statoverride"}


def tree(data):
    """path -> (kind, mode, owner's name, group's name, digest or link); and the texts of accounts"""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found, texts = listed(tar, ACCOUNTS)
    users = {int(line.split(":")[2]): line.split(":")[0] for line in texts["etc/passwd"].splitlines()}
    groups = {int(line.split(":")[2]): line.split(":")[0] for line in texts["etc/group"].splitlines()}
    named = {path: (kind, mode, users.get(uid, uid), groups.get(gid, gid), what)
             for path, (kind, mode, uid, gid, what) in found.items()}
    return named, texts


def names(texts, path):
    """The accounts of a file without their numbers."""
    fields = [line.split(":") for line in texts.get(path, "").splitlines()]
    keep = {"etc/passwd": (0, 4, 5, 6), "etc/group": (0, 3), "etc/shadow": (0, 1), "etc/gshadow": (0, 1, 2, 3)}
    return sorted(tuple(line[i] for i in keep[path]) for line in fields)


def docker(*words, **more):
    return subprocess.run(["docker", *words], capture_output=True, timeout=600, check=False, **more)


def main():
    mirror = Path(sys.argv[1])
    checks = Checks("configure")
    if not os.environ.get("DOCKER_HOST") or docker("info").returncode:
        print("LEFT OUT: there is no engine at DOCKER_HOST")
        checks.done()
    with tempfile.TemporaryDirectory() as work:
        emitted, made = Path(work, "emitted.tar"), Path(work, "made.tar")
        report, rootfs = Path(work, "report.json"), Path(work, "rootfs.tar")
        given = ["imgbase", "deb", "-q", "--debs", mirror / "debs", "--variant", "minbase", "--include", PACKAGES]
        run = checks.run(*given, "--configure", "emit", "-t", NAME, "-o", emitted, timeout=600)
        checks.true("imgbase deb --configure emit", run.code == 0, run.err)
        run = checks.run(*given, "--report", report, "-o", made, timeout=600)
        checks.true("imgbase deb with emulation", run.code == 0, run.err)
        run = checks.run("imgexport", "-o", rootfs, made, timeout=600)
        checks.true("imgexport", run.code == 0, run.err)
        try:
            docker("rm", "-f", NAME)
            loaded = docker("load", "-i", str(emitted))
            checks.true("docker load", loaded.returncode == 0, loaded.stderr)
            said = docker("run", "--name", NAME, "--network", "none", NAME, "/usr/sbin/imgbase-configure")
            checks.true("the scripts end well", said.returncode == 0, said.stderr[-400:])
            truth = docker("export", NAME).stdout
            docker("commit", NAME, NAME)
            for what, command in {"dpkg --audit": "dpkg --audit", "dpkg -V": "dpkg -V", "unpacked settings": "find /etc -name '*.dpkg-new'",
                                  "policy-rc.d": "ls /usr/sbin/policy-rc.d 2>/dev/null"}.items():
                said = docker("run", "--rm", "--network", "none", NAME, "sh", "-c", command)
                checks.same(f"{what} is silent", said.stdout, b"")
            said = docker("run", "--rm", "--network", "none", NAME, "nginx", "-t")
            checks.true("nginx -t", said.returncode == 0, said.stderr)
        finally:
            docker("rm", "-f", NAME)
            docker("rmi", "-f", NAME)
        (ours, our_texts), (theirs, their_texts) = tree(rootfs.read_bytes()), tree(truth)
        classes = {one["package"]: one["class"] for one in json.loads(report.read_text())["scripts"]}
        for package in UNCOVERED:
            checks.same(f"{package} is uncovered", classes.get(package), "uncovered")
        known = sum(UNCOVERED.values(), ())
        skip = lambda path: path.startswith(LEFT_OUT + known) or path in BACKUPS | APT | ACCOUNTS
        checks.same("missing", sorted(path for path in theirs.keys() - ours.keys() if not skip(path)), [])
        checks.same("too much", sorted(path for path in ours.keys() - theirs.keys() if not skip(path)), [])
        other = {path: (ours[path], theirs[path]) for path in ours.keys() & theirs.keys()
                 if not skip(path) and ours[path] != theirs[path]}
        checks.same("different", other, {})
        path = "var/lib/dpkg/statoverride"
        checks.same(path, sorted(our_texts[path].splitlines()), sorted(their_texts[path].splitlines()))
        for path in ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"):
            checks.same(f"accounts of {path}", names(our_texts, path), names(their_texts, path))
    checks.done()


if __name__ == "__main__":
    main()
