"""What the cross-checks share: running the programs, comparing and counting.

The programs are the release build: IMGKIT_BIN names its folder, else it is cargo's.
"""
import contextlib
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("IMGKIT_BIN") or Path(os.environ.get("CARGO_TARGET_DIR") or REPO / "target") / "release")
PROGRAMS = ["imgls", "imginspect", "imghistory", "imgverify"]
# Answers must not depend on who asks: a plain environment, and no local store to fall back on.
ENV = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1", "IMGKIT_STORE": "/nonexistent/store"}
COMPRESSORS = {
    "gzip": ["gzip", "-1cn"],
    "pigz": ["pigz", "-1cn"],
    "zstd": ["zstd", "-1qc"],
    "xz": ["xz", "-0c"],
    "bzip2": ["bzip2", "-1c"],
}


class Run:
    """One run of a program, with what a failure has to show."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def json(self):
        """Standard output as one JSON value, None if it is not."""
        try:
            return json.loads(self.out)
        except ValueError:
            return None

    def rows(self):
        """Standard output as JSON lines, [] if it is not."""
        try:
            return [json.loads(line) for line in self.out.splitlines()]
        except ValueError:
            return []


class Checks:
    """Counts comparisons, lists every one that fails, and ends the script."""

    def __init__(self, name, known=None):
        """known: what -> why a check cannot hold; one of them that holds after all is a failure too."""
        self.name, self.known = name, known or {}
        self.passed = self.failed = 0
        self.seen_known = set()

    def true(self, what, ok, detail=""):
        if what in self.known:
            self.seen_known.add(what)
            if ok:
                ok, detail = False, "it holds now: take it off the list of known failures"
            else:
                print(f"known failure: {what}: {self.known[what]}")
                return True
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"MISMATCH: {what}" + (f"\n    {detail}" if detail else ""), flush=True)
        return ok

    def same(self, what, found, expected, run=None):
        ok = found == expected
        detail = "" if ok else "\n    ".join([*differences(expected, found), *([tell(run)] if run else [])])
        return self.true(what, ok, detail)

    def run(self, program, *args, stdin=None, timeout=120):
        """Runs one of imgkit's programs. stdin: bytes through a pipe, or a Path to redirect from."""
        command = [str(BIN / program), *map(str, args)]
        shown = shlex.join([program, *map(str, args)])
        feed = {"stdin": subprocess.DEVNULL}
        if isinstance(stdin, bytes):
            feed = {"input": stdin}
            shown = f"… | {shown}"
        elif stdin is not None:
            feed = {"stdin": open(stdin, "rb")}
            shown += f" < {shlex.quote(str(stdin))}"
        try:
            done = subprocess.run(command, env=ENV, capture_output=True, timeout=timeout, **feed)
        except subprocess.TimeoutExpired:
            self.true(f"{shown}: ends within {timeout} s", False)
            return Run(shown, None, b"", "")
        finally:
            if "stdin" in feed and feed["stdin"] is not subprocess.DEVNULL:
                feed["stdin"].close()
        run = Run(shown, done.returncode, done.stdout, done.stderr.decode("utf-8", "backslashreplace"))
        # Whatever the input: a panic or a signal is never an answer.
        if run.code not in (0, 1, 2) or "panicked" in run.err:
            self.true(f"{shown}: no panic, no signal", False, tell(run))
        return run

    def succeeds(self, what, run):
        return self.true(f"{what}: exit 0, nothing on standard error", run.code == 0 and not run.err, tell(run))

    def refused(self, what, run, program, place):
        """Exit 2 and one line that names program and place; a hint line may follow, of what can be typed."""
        shown = "standard input" if place == "-" else place
        lines = run.err.splitlines()
        good = (
            run.code == 2
            and not run.out
            and 1 <= len(lines) <= 2
            and lines[0].startswith(f"{program}: {shown}: ")
            and all(line.startswith("hint: ") and "standard input" not in line for line in lines[1:])
            and "''" not in lines[0]
        )
        return self.true(f"{what}: refused with exit 2 and one clear line", good, tell(run))

    def done(self):
        for what in self.known:
            if what not in self.seen_known:
                self.true(what, False, "a known failure that is checked no more")
        print(f"{self.name}: {self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def differences(expected, found, place="", most=4):
    """The first few places where two JSON values differ, a line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(key for key in found if key not in expected)]
        parts = [(expected.get(k, "absent"), found.get(k, "absent"), f"{place}.{k}") for k in keys]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        parts = [(e, f, f"{place}[{i}]") for i, (e, f) in enumerate(zip(expected, found))]
    else:
        return [f"{place + ': ' if place else ''}expected {show(expected)}, found {show(found)}"]
    lines = [line for e, f, at in parts if e != f for line in differences(e, f, at)]
    return lines[:most] + (["…"] if len(lines) > most else [])


def show(value, limit=300):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def tell(run):
    lines = run.err.strip().splitlines()
    said = " | ".join(lines[:4]) + (f" | … {len(lines)} lines" if len(lines) > 4 else "")
    return f"$ {run.command}  # exit {run.code}" + (f": {said}" if said else "")


def tool(*command, stdin=None, check=True, env=None):
    """Output of somebody else's program."""
    command = [str(part) for part in command]
    feed = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(command, env=env, capture_output=True, **feed)
    if check and done.returncode:
        sys.exit(f"{shlex.join(command)} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def compressed(data, how):
    return tool(*COMPRESSORS[how], stdin=data)


def without(value, *keys):
    """A JSON value without some keys, at any depth: what may differ between two ways to the same image."""
    if isinstance(value, dict):
        return {key: without(part, *keys) for key, part in value.items() if key not in keys}
    if isinstance(value, list):
        return [without(part, *keys) for part in value]
    return value


def answers(checks, place, stdin=None, pick=""):
    """What the four programs say of one archive, without its place and the age of things."""
    listed = checks.run("imgls", "-a", "--digests", "--format", "json", place, stdin=stdin)
    shown = checks.run("imginspect", "--", place + pick, stdin=stdin)
    steps = checks.run("imghistory", "--no-trunc", "--format", "json", "--", place + pick, stdin=stdin)
    sound = checks.run("imgverify", "--json", place, stdin=stdin)
    drop = ("Archive", "CreatedSince")
    # Findings are told as they are found by several threads; their order says nothing.
    verdict = sorted(json.dumps(row, sort_keys=True) for row in without(sound.rows(), *drop))
    return {
        "imgls": (listed.code, without(listed.rows(), *drop), listed),
        "imginspect": (shown.code, without(shown.json(), *drop), shown),
        "imghistory": (steps.code, without(steps.rows(), *drop), steps),
        "imgverify": (sound.code, verdict, sound),
    }


def same_answers(checks, what, found, expected):
    for program in PROGRAMS:
        code, value, run = found[program]
        checks.same(f"{what}: {program}", [code, value], list(expected[program][:2]), run)


def short_name(name):
    """A full name as docker shows it."""
    return re.sub(r"^docker\.io/(library/)?", "", name)


@contextlib.contextmanager
def scratch(prefix="imgkit-cross", parent=None):
    """A folder that goes away with the script; gives its path.

    Names have no _ as those of tempfile may: podman takes paths for names of images, where it may not stand everywhere.
    """
    path = fresh(parent or tempfile.gettempdir(), f"{prefix}.")
    try:
        yield str(path)
    finally:
        shutil.rmtree(path)


def fresh(parent, prefix=""):
    """A new folder in another, by a name that nobody else draws."""
    path = Path(parent, prefix + secrets.token_hex(4))
    path.mkdir(mode=0o700)
    return path


def listed(tar, keep=()):
    """What is in an open tar: path -> (kind, mode, uid, gid, digest or link); and path -> text for the files of `keep`."""
    found, texts = {}, {}
    for member in tar:
        name = member.name.removeprefix("./").rstrip("/")
        if name in ("", "."):
            continue
        if member.islnk():
            found[name] = found[member.linkname.removeprefix("./")]
            continue
        what = member.linkname if member.issym() else ""
        if member.isreg():
            data = tar.extractfile(member).read()
            what = hashlib.sha256(data).hexdigest()
            if name in keep:
                texts[name] = data.decode()
        mode = 0 if member.issym() else member.mode & 0o7777
        found[name] = (member.type, oct(mode), member.uid, member.gid, what)
    return found, texts
