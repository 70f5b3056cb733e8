#!/usr/bin/env python3
"""What every program says of itself: help, version, man page, completions; and that it fails as its pages promise.

    tests/cross/pages.py

groff, as man(1) runs it, has the say on man pages; mandoc only on errors: it warns of what clap_mangen always writes.
"""
import os
import re
import subprocess
import tempfile
import tomllib

from imgkit import BIN, ENV, REPO, Checks, tell

# The headings of imgkit(7), and those of every other page.
SHARED = ["NAME", "DESCRIPTION", "IMAGES", "FORMATS", "COMMON OPTIONS", "LIMITS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"]
HEADINGS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]

checks = Checks("pages")


def check_page(what, path, options, headings=HEADINGS):
    plain = {**ENV, "MANWIDTH": "120", "MANROFFOPT": "", "MANPAGER": "cat", "MAN_KEEP_FORMATTING": ""}
    groff = subprocess.run(["man", "--warnings", "-l", path], env=plain, capture_output=True, text=True)
    checks.same(f"{what}: man --warnings has none", [groff.returncode, groff.stderr], [0, ""])
    mandoc = subprocess.run(["mandoc", "-T", "lint", "-W", "error", path], capture_output=True, text=True)
    checks.same(f"{what}: mandoc finds no error", [mandoc.returncode, mandoc.stdout], [0, ""])
    lines = [re.sub(r".\x08", "", line) for line in groff.stdout.splitlines()]
    for heading in headings:
        checks.true(f"{what}: has {heading}", heading in lines)
    text = "\n".join(lines)
    for option in options:
        checks.true(f"{what}: tells of {option}", option in text)


def main():
    cargo = tomllib.loads((REPO / "Cargo.toml").read_text())
    programs = [target["name"] for target in cargo["bin"]]
    version = cargo["package"]["version"]
    pages = {path.stem: path for path in (REPO / "man").glob("*.1")}
    for name in programs:
        run = checks.run(name, "--version")
        first, *rest = run.out.decode().splitlines()
        # imgkit also states its commit and its features.
        states = [line.split(": ")[0] for line in rest if line.split(": ")[0] != "commit"]
        expected = [0, f"{name} {version}", ["features"] if name == "imgkit" else [], ""]
        checks.same(f"{name} --version", [run.code, first, states, run.err], expected, run)
        options = set()
        for flag in ("--help", "-h"):
            run = checks.run(name, flag)
            text = run.out.decode()
            checks.true(f"{name} {flag}: usage on standard output, exit 0", run.code == 0 and f"Usage: {name}" in text and not run.err, tell(run))
            options.update(re.findall(r"^\s+(?:-\w, )?(--[a-z][a-z-]*)", text, re.M))
        checks.true(f"{name} --help: it has options", len(options) > 2, str(options))
        run = checks.run(name, "--no-such-option")
        checks.true(f"{name} --no-such-option: exit 2, one line and a hint at most",
                    run.code == 2 and not run.out and run.err.startswith(f"{name}: ") and len(run.err.splitlines()) <= 2, tell(run))
        with open("/dev/full", "w") as full:
            done = subprocess.run([BIN / name, "--help"], stdout=full, stderr=subprocess.PIPE, env=ENV, text=True)
        checks.true(f"{name} --help > /dev/full: exit 2, and it is said",
                    done.returncode == 2 and len(done.stderr.splitlines()) == 1, f"exit {done.returncode}: {done.stderr}")
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([BIN / name, "--help"], stdout=writer, stderr=subprocess.PIPE, env=ENV, text=True)
        os.close(writer)
        checks.same(f"{name} --help to a closed pipe: quiet, exit 0", [done.returncode, done.stderr], [0, ""])

        run = checks.run(name, "--generate", "bash")
        syntax = subprocess.run(["bash", "-n"], input=run.out, capture_output=True)
        checks.true(f"{name} --generate bash: bash can read it", run.code == 0 and run.out and syntax.returncode == 0, syntax.stderr.decode())
        run = checks.run(name, "--generate", "man")
        with tempfile.NamedTemporaryFile(suffix=".1") as page:
            page.write(run.out)
            page.flush()
            check_page(f"{name} --generate man", page.name, options)
        if name in pages:
            check_page(f"man/{name}.1", pages[name], options)
        elif pages:
            checks.true(f"man/{name}.1 is there", False)
    check_page("man/imgkit.7", REPO / "man/imgkit.7", ["--store", "--jobs", "--progress", "--limit", "--generate"], SHARED)
    if not pages:
        print("LEFT OUT: man/*.1: there are no pages yet; those that --generate man prints were checked")


main()
checks.done()
