#!/usr/bin/env python3
"""Words of imgfind about contents, against other programs on the exported tree.

    tests/cross/facts.py CORPUS

-text is what git searches with -I, -magic and -elf what file says, -needed, -soname, -interp and -build-id what readelf
reads in the headers: for every file of one of the corpus' images, out of an archive with and without compression, and of
the index.
"""
import argparse
import os
import re
import subprocess
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch

checks = Checks("facts")
C = {**ENV, "LC_ALL": "C"}
# Kinds, and how file calls them.
MAGIC = {
    "ar": r"current ar archive|Debian binary package", "bzip2": r"bzip2 compressed", "elf": r"ELF ", "gif": r"GIF image",
    "gzip": r"gzip compressed", "jpeg": r"JPEG image", "pdf": r"PDF document", "png": r"PNG image", "rpm": r"RPM ",
    "sqlite": r"SQLite 3", "xz": r"XZ compressed", "zstd": r"Zstandard compressed",
}


def find(image, *words, options=()):
    command = [BIN / "imgfind", *options, "--scope", "final", "-0", image, "-type", "f", *words]
    done = subprocess.run(command, env=ENV, capture_output=True, timeout=300)
    checks.true(f"{words}: no error", done.returncode < 2 and not done.stderr, done.stderr[:300])
    return {path for path in done.stdout.split(b"\0") if path}


def readelf(root, paths):
    """Facts that readelf reads: path -> set of (word, value)."""
    facts = {}
    for at in range(0, len(paths), 500):
        some = paths[at:at + 500]
        command = ["readelf", "-W", "-d", "-l", "-n", *(b"./" + path for path in some)]
        text = subprocess.run(command, cwd=root, env=C, capture_output=True, timeout=300).stdout
        parts = re.split(rb"^File: \./(.*)$", text, flags=re.M) if len(some) > 1 else [b"", some[0], text]
        for path, part in zip(parts[1::2], parts[2::2]):
            found = facts.setdefault(path, set())
            for word, pattern in (("-needed", rb"\(NEEDED\) +Shared library: \[(.*)\]"), ("-soname", rb"\(SONAME\) +Library soname: \[(.*)\]"),
                                  ("-interp", rb"\[Requesting program interpreter: (.*)\]"), ("-build-id", rb"Build ID: ([0-9a-f]+)")):
                found.update((word, value) for value in re.findall(pattern, part))
    return facts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    args = parser.parse_args()
    with scratch("imgkit-facts") as folder:
        folder = Path(folder)
        plain, root, packed = args.corpus / "classic.tar", folder / "root", folder / "packed.tar"
        subprocess.run([BIN / "imgexport", "-q", "-C", root, plain], env=ENV, check=True, timeout=300)
        subprocess.run([BIN / "imgconvert", "-q", "--compression", "zstd", plain, f"oci-archive:{packed}"], env=ENV, check=True, timeout=300)
        listed = subprocess.run(["find", ".", "-type", "f", "-printf", "%P\\0"], cwd=root, env=C, capture_output=True, check=True)
        paths = sorted(path for path in listed.stdout.split(b"\0") if path)
        git = subprocess.run(["git", "grep", "--no-index", "-I", "-l", "-z", "-e", "", "--", "."], cwd=root, env=C, capture_output=True)
        text = {path for path in git.stdout.split(b"\0") if path}
        said = subprocess.run(["file", "-0", "-b", "-N", "-n", "-f", "-"], cwd=root, env=C, capture_output=True, check=True,
                              input=b"\n".join(path for path in paths if b"\n" not in path))
        kinds = dict(zip((path for path in paths if b"\n" not in path), said.stdout.split(b"\n")))
        checks.true("something to compare", len(text) > 1000 and len(kinds) > 1000, (len(text), len(kinds)))
        kinds = {path: re.sub(rb"^((setuid|setgid|sticky),? )+", b"", said) for path, said in kinds.items()}
        elves = [path for path, said in kinds.items() if said.startswith(b"ELF ")]
        facts = readelf(root, elves)
        values = {fact for found in facts.values() for fact in found}
        some = []
        for word in ("-needed", "-soname", "-interp", "-build-id"):
            own = sorted(fact for fact in values if fact[0] == word)
            some += own[::max(1, len(own) // 15)]
        checks.true("several ELF files", len(elves) > 100 and len({word for word, _ in some}) == 4, (len(elves), some[:5]))
        for image, options in ((plain, ()), (packed, ()), (packed, (f"--cache={folder}/cache",)), (packed, (f"--cache={folder}/cache",))):
            what = f"{image.name} {len(options)}"
            same(f"{what}: -text", find(image, "-text", options=options), text)
            for kind, pattern in MAGIC.items():
                expected = {path for path, said in kinds.items() if re.match(pattern.encode(), said)}
                same(f"{what}: -magic {kind}", find(image, "-magic", kind, options=options), expected)
            for word, value in some:
                glob = os.fsdecode(value).replace("[", "\\[")
                expected = {path for path, found in facts.items() if (word, value) in found}
                same(f"{what}: {word} {glob}", find(image, word, glob, options=options), expected)
    checks.done()


def same(what, found, expected):
    checks.true(what, found == expected, f"more: {sorted(found - expected)[:5]}\n    fewer: {sorted(expected - found)[:5]}")


main()
