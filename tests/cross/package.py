#!/usr/bin/env python3
"""What a release consists of: the static program where there is nothing else, the Debian package, checksums and bills.

    tests/cross/package.py DIST MIRROR DEBS     (root; lintian, strace)

DIST is what .ci/release made. MIRROR has minbase.tar, a system that mmdebstrap made. DEBS has the packages man-db,
bash-completion, zsh and fish with what they need beyond that system. No network is used.
"""
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from imgkit import REPO, Checks, scratch

DIST, MIRROR, DEBS = (Path(argument).resolve() for argument in sys.argv[1:4])
ARCHIVE = REPO / "testdata/foreign/docker-classic.tar"
OTHER = REPO / "testdata/foreign/podman-docker.tar"
LIMIT = 16_000_000
# System calls that Linux 3.2 does not have, as far as strace knows them.
NEW = """kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat userfaultfd membarrier
mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq pidfd_send_signal
io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3
close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr futex_waitv""".split()
# What is done where; {a} and {b} are archives, {d} a directory.
JOBS = [
    "ls -a --digests {a}",
    "inspect {a}",
    "history --no-trunc {a}",
    "history --dockerfile {a}",
    "graph {a}",
    "verify {a} {b}",
    "diff {a} {b}",
    "df {a}",
    "load -i {a}",
    "load -i {b}",
    "ls",
    "df",
    "save -o saved.tar --format docker {a}",
    "convert --compression zstd {a} oci-archive:zstd.tar",
    "convert {a} oci:layout",
    "export -o flat.tar {a}",
    "export -C tree {a}",
    "import tree made:1",
    "commit --base {a} tree made:2",
    "base pack --owner 0 -o base.tar tree",
    "tag made:1 made:3",
    "rm made:1",
    "prune -f",
    "verify",
]

checks = Checks("package")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="backslashreplace", **options)


def succeeds(what, done):
    return checks.true(what, done.returncode == 0, f"exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")


def contents(top, without=None):
    """Files below a directory: kind, mode and a digest or target; without those whose path matches `without`."""
    found = {}
    for above, directories, files in os.walk(top):
        for name in [*directories, *files]:
            path = Path(above, name)
            inside = str(path.relative_to(top))
            if without and without.match(inside):
                if name in directories:
                    directories.remove(name)
                continue
            status = path.lstat()
            data = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[inside] = (stat.S_IFMT(status.st_mode), oct(stat.S_IMODE(status.st_mode)), data)
    return found


def answers(directory, before):
    """Runs all jobs in a directory through a command; what they printed, and what is there at the end."""
    env = {"PATH": "/nonexistent", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1750000000", "IMGKIT_STORE": "store", "TMPDIR": "."}
    said = {}
    for job in JOBS:
        words = job.format(a="a.tar", b="b.tar").split()
        done = subprocess.run([*map(str, before), *words], cwd=directory, env=env, capture_output=True, stdin=subprocess.DEVNULL)
        said[job] = (done.returncode, done.stdout, done.stderr)
    return said, contents(Path(directory))


def same(what, found, expected):
    for job in JOBS:
        checks.same(f"{what}: imgkit {job}", [str(part) for part in found[0][job]], [str(part) for part in expected[0][job]])
    checks.same(f"{what}: files", found[1], expected[1])


def fill(directory):
    shutil.copy(ARCHIVE, directory / "a.tar")
    shutil.copy(OTHER, directory / "b.tar")
    for path in [directory, *directory.iterdir()]:
        os.chown(path, 65534, 65534)


def alone(program):
    """The static program: what it is, and its answers with nothing else, and on an old system."""
    done = run("ldd", program)
    checks.true("ldd: it is static", re.search("not a dynamic executable|statically linked", done.stdout + done.stderr), done.stdout)
    checks.true(f"it is smaller than {LIMIT} bytes", program.stat().st_size < LIMIT, str(program.stat().st_size))
    notes = run("readelf", "-n", program).stdout
    since = re.search(r"OS: Linux, ABI: (\d+)\.(\d+)", notes)
    checks.true("it is for Linux since 3.2", since and (int(since[1]), int(since[2])) <= (3, 2), notes)
    strings = program.read_bytes()
    for path in (str(REPO), str(Path.home() / ".cargo"), "/rustup/"):
        checks.true(f"it does not name {path}", path.encode() not in strings)
    with scratch() as top:
        usual, bare, old = (Path(top, name) for name in ("usual", "bare", "old"))
        for directory in (usual, bare, old):
            directory.mkdir()
            fill(directory)
        Path(top).chmod(0o755)
        copy = shutil.copy(program, Path(top, "imgkit"))
        nobody = [shutil.which("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
        expected = answers(usual, [*nobody, copy])
        for job, (code, _, error) in expected[0].items():
            checks.true(f"imgkit {job}: it works", code in (0, 1) and b"panicked" not in error, f"exit {code}: {error}")
        inject = ",".join(known_calls())
        checks.true("strace can refuse what is most used", {"statx", "getrandom", "copy_file_range", "openat2"} <= set(inject.split(",")), inject)
        found = answers(old, [*nobody, shutil.which("strace"), "-f", "-qq", "-o", "/dev/null",
                              "-e", f"trace={inject}", "-e", f"inject={inject}:error=ENOSYS", copy])
        same("without the system calls since 3.2", found, expected)
        # Nothing but the program and two archives: no /proc, /dev, /tmp and /etc.
        shutil.copy(program, bare / "imgkit")
        found = answers(bare, [shutil.which("chroot"), "--userspec=65534:65534", bare, "/imgkit"])
        found[1].pop("imgkit")
        same("alone in a chroot", found, expected)
        with open(ARCHIVE, "rb") as archive:
            done = run("chroot", "--userspec=65534:65534", bare, "/imgkit", "ls", "-", stdin=archive, env={**os.environ, "TMPDIR": "/"})
        succeeds("alone in a chroot: an archive on standard input", done)


def known_calls():
    """Those of NEW that this strace knows."""
    return [call for call in NEW if run("strace", "-qq", "-e", f"trace={call}", "-o", "/dev/null", "true").returncode == 0]


def bills():
    """Checksums and bills of materials."""
    succeeds("SHA256SUMS holds", run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=DIST))
    listed = {line.split("  ")[1] for line in (DIST / "SHA256SUMS").read_text().splitlines()}
    checks.same("SHA256SUMS lists everything", listed, {path.name for path in DIST.iterdir()} - {"SHA256SUMS"})
    for path in DIST.glob("*.cdx.json"):
        bill = json.loads(path.read_text())
        names = {part["name"] for part in bill["components"]}
        checks.true(f"{path.name}: it lists what is linked in", {"clap", "zstd-sys", "pgp", "glibc", "rust-std"} <= names, str(sorted(names)))
        checks.true(f"{path.name}: neither macros nor tests", not names & {"serde_derive", "proptest", "cc", "syn"}, str(sorted(names)))
        checks.same(f"{path.name}: every part has a license", [part["name"] for part in bill["components"] if not part.get("licenses")], [])
        program = path.with_name(path.name.removesuffix(".cdx.json"))
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        checks.same(f"{path.name}: it is that of the program", bill["metadata"]["component"]["hashes"][0]["content"], digest)


def chrooted(root, script, **options):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "MANWIDTH": "80"}
    return run("chroot", root, "bash", "-c", script, env=env, **options)


def installed(root):
    """Files of a system, without what package managers note of their work."""
    notes = re.compile(r"(var/lib/(apt|dpkg)|var/cache|var/log|dev|proc|root/\.(local|config|cache)|tmp)(/|$)")
    return contents(root, notes)


def package(deb):
    done = run("lintian", "--fail-on", "error", "--tag-display-limit", "0", deb)
    checks.true("lintian has no errors", done.returncode == 0 and "E: " not in done.stdout, done.stdout + done.stderr)
    with scratch() as top:
        root = Path(top) / "root"
        root.mkdir()
        subprocess.run(["tar", "-C", root, "-xf", MIRROR / "minbase.tar"], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
        try:
            use(root, deb)
        finally:
            subprocess.run(["umount", "-l", root / "proc"], check=True)


def use(root, deb):
    """Installs the package in a fresh system, uses it and removes it."""
    shutil.copytree(DEBS, root / "tmp/debs")
    shutil.copy(deb, root / "tmp/imgkit.deb")
    shutil.copy(ARCHIVE, root / "root/a.tar")
    succeeds("what is used beside it is there", chrooted(root, "apt-get install -y /tmp/debs/*.deb"))
    before = installed(root)
    succeeds("apt installs it", chrooted(root, "apt-get install -y /tmp/imgkit.deb"))
    programs = sorted(path.stem for path in (REPO / "bin").glob("*.rs"))
    for name in programs:
        done = chrooted(root, f"{name} --version")
        checks.true(f"{name} runs", done.returncode == 0 and done.stdout.startswith(f"{name} "), done.stdout + done.stderr)
        done = chrooted(root, f"man {name} | col -b")
        checks.true(f"man {name}", done.returncode == 0 and done.stdout.startswith(f"{name.upper()}(1)"), done.stdout[:300] + done.stderr)
        bash = (f"source /usr/share/bash-completion/bash_completion; _completion_loader {name}; COMP_WORDS=({name} --) COMP_CWORD=1 "
                f"COMP_LINE='{name} --' COMP_POINT={len(name) + 3}; _{name} {name} -- {name}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = chrooted(root, bash)
        checks.true(f"bash completes {name} --", "--help" in done.stdout.split(), done.stdout + done.stderr)
        done = chrooted(root, f"zsh -fc 'autoload -U compinit; compinit -u -D; print -- $_comps[{name}]; zsh -n /usr/share/zsh/vendor-completions/_{name}'")
        checks.same(f"zsh knows the completion of {name}", [done.stdout, done.stderr], [f"_{name}\n", ""])
        done = chrooted(root, f"fish -c 'complete -C \"{name} --\"'")
        checks.true(f"fish completes {name} --", "--help" in done.stdout, done.stdout + done.stderr)
    checks.true("man 7 imgkit", "COMMON OPTIONS" in chrooted(root, "man 7 imgkit | col -b").stdout)
    done = chrooted(root, "cd; fish -c 'complete -C \"imgkit di\"'")
    checks.true("fish completes imgkit di", "diff" in done.stdout, done.stdout + done.stderr)
    done = chrooted(root, "cd; imgload -i a.tar && imgls --format '{{.Repository}}:{{.Tag}}'")
    succeeds("imgload -i", done)
    name = done.stdout.split()[-1]
    succeeds("imgsave", chrooted(root, f"cd; imgsave -o saved.tar {name} && imgverify saved.tar && imgdiff a.tar saved.tar; rm -f saved.tar"))
    succeeds("apt removes it", chrooted(root, "apt-get purge -y imgkit"))
    checks.same("removed, it leaves nothing", installed(root), before)
    checks.same("nor in the database", chrooted(root, "dpkg-query -W imgkit").stdout, "")


def main():
    version = re.search(r'^version = "(.*)"', (REPO / "Cargo.toml").read_text(), re.M)[1]
    bills()
    alone(DIST / f"imgkit-{version}-x86_64")
    package(DIST / f"imgkit_{version}_amd64.deb")


main()
checks.done()
