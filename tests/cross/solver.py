#!/usr/bin/env python3
"""Which packages are taken: imgbase deb --dry-run against apt-get -s install on an empty system.

    solver.py MIRROR [--lists | --update]

MIRROR holds mirror/ (a signed repository of bookworm), keyring.gpg and packages.txt (what mmdebstrap took for minbase).
Packages are drawn with a fixed seed from the mirror, with --lists also from the lists of this system's apt: some 60,000,
which takes minutes. They are asked for without recommendations. --update rewrites testdata/solver instead.
"""
import hashlib
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imgkit import REPO, Checks, scratch, tool

MIRROR = Path(sys.argv[1]).resolve()
STEM = "main/binary-amd64/Packages"
LISTS = Path("/var/lib/apt/lists")
KEPT = ["Package", "Version", "Architecture", "Multi-Arch", "Essential", "Priority", "Pre-Depends", "Depends",
        "Recommends", "Conflicts", "Breaks", "Provides"]
KEPT_DRAWN, DRAWN_OF_MIRROR, DRAWN_OF_LISTS, SEED = 40, 50, 100, 7
# Where several packages of the same priority provide a name that none has, apt up to 2.x takes the one that was last new
# to its cache, which comes of the order of the lists and of what is named in them. Here, as in apt's later solver, the
# name decides, so that the order of the packages does not.
PROVIDERS = {"php-ml-json-ld"}


def stanzas(index):
    """The paragraphs of an index, fields that span lines cut to the first."""
    for text in index.read_text().strip().split("\n\n"):
        lines = (line.split(":", 1) for line in text.splitlines() if line[0] not in " \t")
        yield {name: value.strip() for name, value in lines}


class Apt:
    """apt-get with nothing installed, and with lists of its own unless it is to use the system's."""

    def __init__(self, folder, source=None):
        for name in ["lists/partial", "cache/archives/partial"]:
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        options = {
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
        }
        if source:
            (folder / "sources.list").write_text(source)
            options |= {
                "Dir::Etc::SourceList": folder / "sources.list",
                "Dir::Etc::SourceParts": "/nonexistent",
                "Dir::State::Lists": folder / "lists",
            }
        self.command = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        if source:
            subprocess.run([*self.command, "update"], check=True)

    def takes(self, name):
        """The names that it would install, None if it cannot."""
        run = subprocess.run([*self.command, "-s", "install", name], capture_output=True, text=True)
        if run.returncode:
            return None
        return sorted({match[1] for match in re.finditer(r"^Inst ([^ :]+)", run.stdout, re.M)})


def of_mirror(folder):
    return Apt(folder, f"deb [signed-by={MIRROR}/keyring.gpg] file:{MIRROR}/mirror bookworm main\n")


def minbase():
    return sorted({re.split(r"[:\s]", line)[0] for line in (MIRROR / "packages.txt").read_text().splitlines() if line})


def update(apt, all_stanzas):
    folder = REPO / "testdata/solver"
    paragraphs = ("".join(f"{name}: {stanza[name]}\n" for name in KEPT if name in stanza) for stanza in all_stanzas)
    (folder / "Packages").write_text("\n".join(paragraphs))
    names = sorted({stanza["Package"] for stanza in all_stanzas})
    drawn = sorted(random.Random(SEED).sample(names, KEPT_DRAWN))
    answers = [("minbase", minbase()), *((name, apt.takes(name)) for name in drawn)]
    (folder / "apt.txt").write_text("".join(f"{name}: {' '.join(taken)}\n" for name, taken in answers))


def ours(checks, *args):
    run = checks.run("imgbase", "deb", "--dry-run", *args)
    return sorted({line.split("\t")[0] for line in run.out.decode().splitlines()}) if run.code == 0 else None


def compare(checks, apt, names, source):
    """Each name, on two cores."""
    def both(name):
        # apt prefers nothing, so neither do we here: with a merged /usr usr-is-merged would come before usrmerge.
        return name, ours(checks, *source, "--variant", "none", "--unmerged-usr", "--include", name), apt.takes(name)

    # The first question fills apt's cache.
    apt.takes(names[0])
    with ThreadPoolExecutor(2) as pool:
        for name, found, expected in pool.map(both, names):
            checks.same(name, found, expected)


def lists(folder):
    """The lists of this system's apt as a mirror without signatures: its options for imgbase, and its names."""
    suites, names = [], set()
    for path in sorted(LISTS.glob("*_main_binary-amd64_Packages*")):
        suite = re.search(r"_dists_(.*)_main_binary-", path.name)[1].replace("_", "-")
        index = folder / "dists" / suite / STEM
        index.parent.mkdir(parents=True)
        index.write_bytes(tool("/usr/lib/apt/apt-helper", "cat-file", path))
        digest = hashlib.sha256(index.read_bytes()).hexdigest()
        release = f"Suite: {suite}\nComponents: main\nNo-Support-for-Architecture-all: Packages\nSHA256:\n {digest} {index.stat().st_size} {STEM}\n"
        (folder / "dists" / suite / "Release").write_text(release)
        suites.append(suite)
        names |= {line[9:] for line in index.read_text().splitlines() if line.startswith("Package: ")}
    return ["--repo", folder, "--allow-unsigned", *(word for suite in suites for word in ("--suite", suite))], names


def main():
    all_stanzas = list(stanzas(MIRROR / "mirror/dists/bookworm" / STEM))
    with scratch() as folder:
        apt = of_mirror(Path(folder, "mirror"))
        if "--update" in sys.argv[2:]:
            update(apt, all_stanzas)
            return
        has_lists = "--lists" in sys.argv[2:]
        why = "of several packages that provide a name apt takes another, by the order of its cache"
        checks = Checks("solver", dict.fromkeys(PROVIDERS, why) if has_lists else None)
        source = ["--repo", MIRROR / "mirror", "--suite", "bookworm", "--keyring", MIRROR / "keyring.gpg"]
        checks.same("minbase", ours(checks, *source, "--variant", "minbase"), minbase())
        names = sorted({stanza["Package"] for stanza in all_stanzas})
        compare(checks, apt, random.Random(SEED).sample(names, DRAWN_OF_MIRROR), source)
        if has_lists:
            source, names = lists(Path(folder, "lists"))
            drawn = random.Random(SEED).sample(sorted(names), DRAWN_OF_LISTS)
            compare(checks, Apt(Path(folder, "system")), sorted({*drawn, *PROVIDERS}), source)
        checks.done()


main()
