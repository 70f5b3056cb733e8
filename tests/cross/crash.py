#!/usr/bin/env python3
"""Programs that write, killed before each system call that writes, and with each of these calls failing.

    tests/cross/crash.py           root or not; needs strace

Every program runs on a small archive under strace, which ends it (SIGKILL) at the first call of a kind, then at the
second, and so on until it comes to its end; then the same with the call failing: no space, an I/O error, interrupted.
After each run the store and the target are as before or complete, told by hashing all files with Python: every blob
that index.json leads to is there and is what it is called by. After a kill the next run succeeds, makes what it would
have made, and leaves nothing behind; after an error there is one line, exit status 2, and nothing left behind.
"""
import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from imgkit import BIN, ENV, Checks, scratch  # noqa: E402

ENV = {**ENV, "SOURCE_DATE_EPOCH": "1700000000", "RAYON_NUM_THREADS": "1"}
CALLS = ["write", "pwrite64", "writev", "pwritev", "copy_file_range", "sendfile", "ftruncate", "fallocate", "fsync", "fdatasync", "sync_file_range",
         "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "symlink", "symlinkat",
         "mknodat", "chmod", "fchmod", "fchmodat", "fchown", "fchownat", "utimensat", "fsetxattr", "openat", "openat2"]
# Calls that read as often as they write: killed before each, and not made to fail.
READ = {"openat", "openat2"}
ERRORS = ["ENOSPC", "EIO", "EINTR"]
# What may fail without harm: it only makes things faster, or takes away what is recognised later anyway.
MAY_FAIL = {"copy_file_range", "fallocate", "sync_file_range", "unlink", "unlinkat", "rmdir", "sendfile"}
# program, arguments, whether a second run after a complete one is refused
LINES = [
    ("imgload -q --store store ../app.tar", False),
    ("imgload -q --store store --compression gzip ../app.tar", False),
    ("imgtag --store store tool:1 more:2", False),
    ("imgrm --store store tool:1", True),
    ("imgprune --store store --all --force", False),
    ("imgsave -q --store store -o new.tar tool:1", False),
    ("imgsave -q -o old.tar ../app.tar", False),
    ("imgconvert -q ../app.tar oci:new", False),
    ("imgconvert -q ../app.tar dir:new", True),
    ("imgconvert -q --force ../app.tar oci-archive:new.tar", False),
    ("imgexport -q -o old.tar ../app.tar", False),
    ("imgexport -q -C new ../app.tar", True),
    ("imgimport -q --store store ../rootfs.tar made:1", False),
    ("imgcommit -q --store store --base ../app.tar ../rootfs.tar made:2", False),
    ("imgcommit -q --store store --base ../app.tar --compression gzip ../rootfs.tar made:2", False),
    ("imgload -q --store store ../bundle.tar", False),
    ("imgload -q --store store --volumes ../set", False),
    ("imgsave -q --since ../base.receipt --ledger ledger -o new.tar ../app.tar", False),
    ("imgsave -q --split 1M --parity 4 --resume -o set.tar ../large.tar", False),
    ("imgverify --repair -q damaged.tar.001", False),
]


def archive(path, name, texts):
    """A docker archive of a layer per text."""
    layers = []
    for number, text in enumerate(texts):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            folder = tarfile.TarInfo("etc")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
            member = tarfile.TarInfo(f"etc/{number}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
            link = tarfile.TarInfo(f"etc/link{number}")
            link.type, link.linkname = tarfile.SYMTYPE, "0"
            tar.addfile(link)
        layers.append(out.getvalue())
    ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}).encode()
    members = {hashlib.sha256(config).hexdigest() + ".json": config, **{f"{n}/layer.tar": layer for n, layer in enumerate(layers)}}
    names = list(members)
    manifest = [{"Config": names[0], "RepoTags": [name], "Layers": names[1:]}]
    with tarfile.open(path, "w") as tar:
        for member, data in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return layers


class Broken(Exception):
    pass


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(top):
    """Everything below a folder: what it is, and what is in it."""
    found = {}
    for folder, folders, names in os.walk(top):
        for name in folders + names:
            path = Path(folder, name)
            what = str(path.relative_to(top))
            found[what] = f"-> {os.readlink(path)}" if path.is_symlink() else "folder" if path.is_dir() else digest(path)
    return found


def reachable(layout):
    """The blobs that index.json leads to, each of which is there and what it is called by, and index.json's words."""
    blobs, listed = {}, []
    if not (layout / "index.json").exists():
        return blobs, listed
    index = json.loads((layout / "index.json").read_bytes())
    listed = sorted(json.dumps(entry, sort_keys=True) for entry in index["manifests"])
    work = list(index["manifests"])
    while work:
        one = work.pop()
        kind, _, encoded = one["digest"].partition(":")
        path = layout / "blobs" / kind / encoded
        if not path.exists():
            raise Broken(f"{one['digest']} is not there")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != encoded or len(data) != one["size"]:
            raise Broken(f"{one['digest']} is something else")
        blobs[str(path.relative_to(layout))] = encoded
        if "manifest" in one["mediaType"] or "index" in one["mediaType"]:
            value = json.loads(data)
            work += value.get("manifests", []) + value.get("layers", []) + ([value["config"]] if "config" in value else [])
    return blobs, listed


LAYOUTS = ("store", "new")


def each_file(state, before, after):
    """Each file is as before or complete."""
    return all(state.get(key) in (before.get(key), after.get(key)) for key in {*state, *before, *after})


def in_order(state, before, after):
    """Volumes are written one after the other, each before its table; parity comes last."""
    names = [name for name in sorted(after) if name.startswith("set.tar.")]
    volumes = [name for name in names if not name.endswith(".sha256")]
    order = [name for volume in volumes for name in (volume, volume + ".sha256")]
    there = [name in state for name in order]
    return each_file(state, before, after) and there == sorted(there, reverse=True)


def ledger_last(state, before, after):
    """The ledger is replaced when the bundle is complete."""
    whole = state.get("new.tar") == after["new.tar"]
    return each_file(state, before, after) and (whole or state.get("ledger") == before.get("ledger"))


# States that are right besides the one before and the complete one.
BETWEEN = {"--split": in_order, "--ledger": ledger_last, "--repair": each_file}
# A second bundle for a ledger has nothing new.
NEVER_AGAIN = "--ledger"


class Room:
    """A folder `work` that begins as a copy of `before`, with the archives in the folder above."""

    def __init__(self, top, line):
        self.top, self.line = top, line
        self.program, *self.words = line.split(" ")
        self.work = top / "work"

    def fresh(self):
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.top / "before", self.work)

    def run(self, inject=None):
        command = [str(BIN / self.program), *self.words]
        if inject:
            call = inject.partition(":")[0]
            command = ["strace", "-f", "-qq", "-o", str(self.top / "strace"), "-e", f"trace={call}", "-e", f"inject={inject}", *command]
        return subprocess.run(command, cwd=self.work, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    def state(self, exact):
        """What counts. With `exact` nothing else may be there: no leftovers, no orphans."""
        found = files(self.work)
        leftovers = [name for name in found if any(part.startswith(".imgkit-") for part in name.split("/"))]
        if exact and leftovers:
            raise Broken(f"left behind: {leftovers}")
        for name in leftovers:
            del found[name]
        for layout in LAYOUTS:
            top = self.work / layout
            if not (top / "index.json").exists() and not (top / "oci-layout").exists():
                continue
            blobs, listed = reachable(top)
            inside = {name: found.pop(name) for name in list(found) if name == layout or name.startswith(layout + "/")}
            orphans = [name for name in inside if name.startswith(f"{layout}/blobs/sha256/") and name.partition("/")[2] not in blobs]
            if exact and orphans:
                raise Broken(f"orphans: {orphans}")
            found[layout] = listed
            for name, encoded in blobs.items():
                found[f"{layout}/{name}"] = encoded
        return found

    def prune(self):
        if (self.work / "store").exists():
            done = subprocess.run([str(BIN / "imgprune"), "--force", "--store", "store"], cwd=self.work, env=ENV, capture_output=True, text=True)
            if done.returncode:
                raise Broken(f"imgprune: {done.stderr}")


def one(job):
    """All kills and errors of one program: how many there were, and what was wrong."""
    top, line, once = job
    room = Room(top, line)
    wrong, counts = [], {"kills": 0, "errors": 0}
    room.fresh()
    before = room.state(True)
    done = room.run()
    if done.returncode:
        return line, counts, [f"it fails by itself: {done.stderr.strip()}"]
    after = room.state(True)
    if before == after:
        return line, counts, ["it changes nothing"]

    between = next((rule for word, rule in BETWEEN.items() if word in room.words), lambda *_: False)

    def allowed(state):
        return state in (before, after) or between(state, before, after)

    def runs_again(what, state, complete):
        """The next run after a failure makes what the failed one would have made; `complete` are exit statuses after a complete one."""
        if state == after and NEVER_AGAIN in room.words:
            return
        again = room.run()
        expected = complete if once and state == after else (0,)
        check(what, again.returncode in expected, f"the next run: exit {again.returncode}: {again.stderr.strip()}")
        room.prune()
        state = room.state(True)
        check(what, state == after, f"after the next run: {differs(state)}")

    def check(what, condition, detail):
        if not condition:
            wrong.append(f"{what}: {detail}")

    def differs(state):
        keys = {*state, *after}
        return sorted(key for key in keys if state.get(key) != after.get(key) or state.get(key) != before.get(key))[:6]

    # Which calls there are, so that those are left out that it never makes.
    room.fresh()
    subprocess.run(["strace", "-f", "-qq", "-o", str(top / "strace"), "-e", "trace=" + ",".join("?" + call for call in CALLS),
                    str(BIN / room.program), *room.words], cwd=room.work, env=ENV, stdin=subprocess.DEVNULL, capture_output=True)
    made = set(re.findall(r"^\d+ +(\w+)\(", (top / "strace").read_text(), re.M))
    for call in [call for call in CALLS if call in made]:
        for number in range(1, 400):
            room.fresh()
            done = room.run(f"{call}:signal=KILL:when={number}")
            what = f"{line}: killed at {call} {number}"
            # strace ends as the program does.
            if done.returncode == 0:
                break
            counts["kills"] += 1
            check(what, done.returncode in (-9, 137), f"exit {done.returncode}: {done.stderr.strip()}")
            try:
                state = room.state(False)
                check(what, allowed(state), f"neither as before nor complete: {differs(state)}")
                if number % 2:
                    room.prune()
                    check(what, room.state(False) == state, "imgprune changes what counts")
                runs_again(what, state, (2,))
            except (Broken, ValueError, OSError) as error:
                wrong.append(f"{what}: {error}")
        for error in ERRORS if call not in READ else []:
            for number in range(1, 400):
                room.fresh()
                done = room.run(f"{call}:error={error}:when={number}")
                trace = (top / "strace").read_text()
                if "(INJECTED)" not in trace:
                    break
                counts["errors"] += 1
                what = f"{line}: {error} at {call} {number}"
                check(what, done.returncode in (0, 2) and "panicked" not in done.stderr, f"exit {done.returncode}: {done.stderr.strip()}")
                try:
                    state = room.state(done.returncode == 0 and call not in MAY_FAIL)
                    check(what, state == after if done.returncode == 0 else allowed(state), f"exit {done.returncode}: {differs(state)}")
                    # Where the name is given and making it last fails, it is complete; that has to be told all the same.
                    lines = done.stderr.splitlines()
                    # Each thread's calls are counted by themselves, and what cannot be written may be what is said.
                    is_mute = error != "EINTR" and re.search(r"^\d+ +write\(2, .*\(INJECTED\)", trace, re.M)
                    if done.returncode == 2:
                        check(what, is_mute or len(lines) in (1, 2) and lines[0].startswith(f"{room.program}: "), f"it said {lines}")
                        if call not in MAY_FAIL:
                            left = [name for name in files(room.work) if ".imgkit-" in name]
                            check(what, not left, f"left behind: {left}")
                    elif call in ("fsync", "fdatasync") and error != "EINTR":
                        wrong.append(f"{what}: it says nothing of it")
                    runs_again(what, state, (0, 2))
                except (Broken, ValueError, OSError) as problem:
                    wrong.append(f"{what}: {problem}")
    return line, counts, wrong


def prepare(top, line):
    """The store with one image, and what a command line needs besides."""
    def run(*words):
        done = subprocess.run([BIN / words[0], *words[1:]], cwd=top, env=ENV, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"crash: {words[0]}: {done.stderr}")
        return done.stdout

    run("imgload", "-q", "--store", "before/store", "tool.tar")
    # It shares a layer with the other.
    (top / "base.receipt").write_text(run("imgls", "--receipt", "tool.tar"))
    if "bundle" in line:
        run("imgsave", "-q", "--since", "base.receipt", "-o", "bundle.tar", "app.tar")
    if "--ledger" in line:
        shutil.copy(top / "base.receipt", top / "before" / "ledger")
    if re.search("--split|--volumes|--repair", line):
        archive(top / "large.tar", "large:1", [hashlib.shake_256(b"x").digest(1_300_000), hashlib.shake_256(b"y").digest(900_000)])
    if "--volumes" in line:
        (top / "set").mkdir()
        run("imgsave", "-q", "--split", "1M", "--parity", "4", "-o", "set/s.tar", "large.tar")
    if "--repair" in line:
        run("imgsave", "-q", "--split", "1M", "--parity", "8", "-o", "before/damaged.tar", "large.tar")
        for name in ("damaged.tar.001", "damaged.tar.002"):
            with open(top / "before" / name, "r+b") as file:
                file.seek(300_000)
                file.write(b"damage")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("only", nargs="*", help="programs; all of them without any")
    args = parser.parse_args()
    checks = Checks("crash")
    if not shutil.which("strace"):
        sys.exit("crash: there is no strace")
    with scratch("imgkit-crash") as tmp:
        jobs = []
        for number, (line, once) in enumerate(LINES):
            if args.only and line.split()[0] not in args.only:
                continue
            top = Path(tmp) / str(number)
            (top / "before").mkdir(parents=True)
            archive(top / "app.tar", "app:1", [b"one", b"two" * 5000])
            archive(top / "tool.tar", "tool:1", [b"one", b"three"])
            (top / "before" / "old.tar").write_bytes(b"old")
            with tarfile.open(top / "rootfs.tar", "w") as tar:
                for name, data in (("etc/0", b"other"), ("etc/new", b"new" * 400)):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            prepare(top, line)
            jobs.append((top, line, once))
        with ThreadPoolExecutor(args.jobs) as pool:
            for line, counts, wrong in pool.map(one, jobs):
                print(f"{line}: killed {counts['kills']} times, {counts['errors']} errors")
                checks.true(f"{line}: killed at every call that writes, and with every call failing", not wrong, "\n    ".join(wrong[:12] + ([f"… {len(wrong)} in all"] if len(wrong) > 12 else [])))
                checks.true(f"{line}: it was killed and it met errors", counts["kills"] > 5 and counts["errors"] > 5, str(counts))
    checks.done()


if __name__ == "__main__":
    main()
