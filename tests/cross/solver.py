#!/usr/bin/env python3
"""Which packages are taken: imgbase deb --dry-run against apt-get -s install on an empty system.

    solver.py MIRROR [--update]

MIRROR holds mirror/ (a signed repository of bookworm), keyring.gpg and packages.txt (what mmdebstrap took for minbase).
Every package of the mirror is asked for, without recommendations. --update rewrites testdata/solver instead.
"""
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from imgkit import REPO, Checks

MIRROR = Path(sys.argv[1]).resolve()
INDEX = MIRROR / "mirror/dists/bookworm/main/binary-amd64/Packages"
KEPT = ["Package", "Version", "Architecture", "Multi-Arch", "Essential", "Priority", "Pre-Depends", "Depends",
        "Recommends", "Conflicts", "Breaks", "Provides"]
DRAWN, SEED = 40, 7


def stanzas():
    """The paragraphs of the index, fields that span lines cut to the first."""
    for text in INDEX.read_text().strip().split("\n\n"):
        lines = (line.split(":", 1) for line in text.splitlines() if line[0] not in " \t")
        yield {name: value.strip() for name, value in lines}


class Apt:
    """apt-get with a state of its own and nothing installed."""

    def __init__(self, folder):
        for name in ["lists/partial", "cache/archives/partial"]:
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        source = f"deb [signed-by={MIRROR}/keyring.gpg] file:{MIRROR}/mirror bookworm main\n"
        (folder / "sources.list").write_text(source)
        options = {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/nonexistent",
            "Dir::State::Lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
        }
        self.command = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        subprocess.run([*self.command, "update"], check=True)

    def takes(self, name):
        """The names that it would install, None if it cannot."""
        run = subprocess.run([*self.command, "-s", "install", name], capture_output=True, text=True)
        if run.returncode:
            return None
        return sorted({match[1] for match in re.finditer(r"^Inst ([^ :]+)", run.stdout, re.M)})


def minbase():
    return sorted({re.split(r"[:\s]", line)[0] for line in (MIRROR / "packages.txt").read_text().splitlines() if line})


def update(apt, all_stanzas):
    folder = REPO / "testdata/solver"
    paragraphs = ("".join(f"{name}: {stanza[name]}\n" for name in KEPT if name in stanza) for stanza in all_stanzas)
    (folder / "Packages").write_text("\n".join(paragraphs))
    names = sorted({stanza["Package"] for stanza in all_stanzas})
    drawn = sorted(random.Random(SEED).sample(names, DRAWN))
    answers = [("minbase", minbase()), *((name, apt.takes(name)) for name in drawn)]
    (folder / "apt.txt").write_text("".join(f"{name}: {' '.join(taken)}\n" for name, taken in answers))


def main():
    all_stanzas = list(stanzas())
    with tempfile.TemporaryDirectory() as folder:
        apt = Apt(Path(folder))
        if "--update" in sys.argv[2:]:
            update(apt, all_stanzas)
            return
        checks = Checks("solver")

        def ours(*args):
            run = checks.run("imgbase", "deb", "--repo", MIRROR / "mirror", "--suite", "bookworm", "--keyring",
                             MIRROR / "keyring.gpg", "--dry-run", *args)
            text = run.out if isinstance(run.out, str) else run.out.decode()
            return sorted({line.split("\t")[0] for line in text.splitlines()}) if run.code == 0 else None

        checks.same("minbase", ours("--variant", "minbase"), minbase())
        for name in sorted({stanza["Package"] for stanza in all_stanzas}):
            # apt prefers nothing, so neither do we here: with a merged /usr usr-is-merged would come before usrmerge.
            found = ours("--variant", "none", "--unmerged-usr", "--include", name)
            checks.same(name, found, apt.takes(name))
        checks.done()


main()
