#!/usr/bin/env python3
"""Words of imgfind about packages and sets of digests, against dpkg and the programs that make such sets.

    tests/cross/owners.py CORPUS

One of the corpus' images is exported, some of its files are changed, and an image is made with the changes as a layer.
-unowned and -package are then what `dpkg -S` and `dpkg -L` say of the tree, -altered what `dpkg --verify` says, and
-hashset finds the files that md5sum, sha1sum, sha256sum and hashdeep were given.
"""
import argparse
import random
import re
import subprocess
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch

checks = Checks("owners")
C = {**ENV, "LC_ALL": "C"}


def run(*command, **more):
    return subprocess.run(command, env=C, capture_output=True, timeout=600, **more)


def find(image, *words, stdin=None):
    done = run(BIN / "imgfind", "--scope", "final", "-0", image, *words, input=stdin)
    checks.true(f"{words}: no error", done.returncode < 2 and not done.stderr, done.stderr[:300])
    return {path for path in done.stdout.split(b"\0") if path}


def same(what, found, expected):
    checks.true(what, found == expected, f"more: {sorted(found - expected)[:5]}\n    fewer: {sorted(expected - found)[:5]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    args = parser.parse_args()
    rng = random.Random(7)
    with scratch("imgkit-owners") as folder:
        folder = Path(folder)
        base, root, image = args.corpus / "classic.tar", folder / "root", folder / "new.tar"
        subprocess.run([BIN / "imgexport", "-q", "-C", root, base], env=ENV, check=True, timeout=300)
        links = {link for link in (b"bin", b"sbin", b"lib", b"lib64", b"lib32") if (root / link.decode()).is_symlink()}

        def real(path):
            """A listed path below a link of the merged /usr."""
            top, slash, rest = path.partition(b"/")
            return b"usr/" + path if slash and top in links else path

        lists = {path.name[:-5].split(":")[0] for path in (root / "var/lib/dpkg/info").glob("*.list")}
        admin = f"--admindir={root}/var/lib/dpkg"
        owned = {}
        for package in lists:
            text = run("dpkg-query", admin, "-L", package).stdout
            for line in text.split(b"\n"):
                if line.startswith(b"/"):
                    owned.setdefault(real(line[1:]), set()).add(package)
        regular = run("find", ".", "-type", "f", "-printf", "%P\\0", cwd=root).stdout.split(b"\0")
        files = sorted(path for path in regular if path and b"\n" not in path)
        for path in rng.sample([path for path in files if path in owned and not path.startswith(b"var/lib/dpkg")], 30):
            with open(root / path.decode(), "ab") as file:
                file.write(b"x")
        done = run(BIN / "imgcommit", "-q", "--base", base, root, "-o", image)
        checks.true("imgcommit", done.returncode == 0, done.stderr)
        asked = run("dpkg-query", admin, "-S", *(b"/" + path for path in files[::40])).stdout
        said = {real(line.split(b": /", 1)[1]) for line in asked.split(b"\n") if b": /" in line and not line.startswith(b"diversion")}
        checks.true("dpkg -S says what the lists do", said <= set(owned), sorted(said - set(owned))[:5])
        unowned = find(image, "-type", "f", "-unowned")
        same("-unowned", {path for path in unowned if b"\n" not in path}, {path for path in files if path not in owned})
        for package in rng.sample(sorted(lists), 25):
            expected = {path for path, names in owned.items() if package in names and path in set(files)}
            same(f"-package {package}", find(image, "-type", "f", "-package", package), expected)
        verified = run("dpkg", f"--root={root}", "--verify").stdout
        altered = {real(path) for path in re.findall(rb"^..5...... . /(.*)$", verified, flags=re.M)}
        checks.true("dpkg --verify finds changes", len(altered) >= 20, verified[:300])
        same("-altered", find(image, "-altered"), altered)
        # What is the same as a file of the set is found as well.
        for program in ("md5sum", "sha1sum", "sha256sum", "hashdeep"):
            some = rng.sample([path for path in files if (root / path.decode()).stat().st_size], 200)
            text = run(program, *some, cwd=root)
            checks.true(program, text.returncode == 0, text.stderr[:300])
            digests = {}
            for line in run("sha256sum", "-z", *files, cwd=root).stdout.split(b"\0"):
                digests.setdefault(line[:64], set()).add(line[66:])
            expected = set()
            for names in digests.values():
                if names & set(some):
                    expected |= names
            same(f"-hashset of {program}", find(image, "-hashset", "-", stdin=text.stdout), expected)
    checks.done()


main()
