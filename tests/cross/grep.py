#!/usr/bin/env python3
"""Contents as imgfind finds them, against ripgrep on the unpacked files.

    tests/cross/grep.py [--images N] [--each N] [--seed S] [CORPUS]

Images are generated, each in several layers, in several forms: lines of few words, long ones, binary files, UTF-16, CR and
LF, bytes that are no UTF-8. Python's tarfile unpacks the final tree (layer by layer, by the rules of whiteouts, for files
only) and the files that are gone; then `rg -uuu` and imgfind get the same generated switches and patterns, and have to
give the same lines. With a corpus, real images are searched as well, unpacked by docker's order of layers.
"""
import argparse
import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch

checks = Checks("grep")
C = {**ENV, "LC_ALL": "C"}
WORDS = ["alpha", "beta", "Beta", "BETA", "gamma", "a-b", "a_b", "x", "42", "foo(bar)", "\u00e4rger", "stra\u00dfe", "\u017fs", "tab\tbed", "  lead", ""]
PATTERNS = ["alpha", "beta", "Beta", "a.b", "^x", "x$", "^$", "[0-9]+", r"\bfoo", r"\w+-\w+", "(beta|gamma)", r"foo\(bar\)", "\u00e4", r"\s+$",
            "a", "", "e?", "nothing here", r"\d\d", "[^a-z ]", r"x\b", r"alpha.*beta", r"^\s*lead"]
WORDLIKE = ["alpha", "beta", "Beta", "a.b", "(beta|gamma)"]
ACROSS = [r"alpha\nbeta", r"x\s+a", r"(?s)beta.*?gamma", r"\n\n", r"a$\n^b", "beta"]


def content(rng):
    """Contents of a file."""
    kind = rng.choices(["text", "crlf", "binary", "late", "utf16", "latin", "long", "empty", "open"], [12, 2, 2, 1, 1, 2, 1, 1, 3])[0]
    lines = [" ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 5))) for _ in range(rng.randint(1, 25))]
    text = "\n".join(lines) + "\n"
    if kind == "crlf":
        return text.replace("\n", "\r\n").encode()
    if kind == "binary":
        at = rng.randint(0, len(text))
        return (text[:at] + "\0" + text[at:]).encode()
    if kind == "late":
        return (text * (70_000 // len(text) + 40)).encode() + b"\0beta\n" + text.encode()
    if kind == "utf16":
        return b"\xff\xfe" + text.encode("utf-16-le")
    if kind == "latin":
        return text.encode().replace(b"x", b"\xe4\xff")
    if kind == "long":
        return b"beta " * 12_000 + b"alpha\n" + text.encode()
    if kind == "empty":
        return b""
    return text.encode() if kind == "text" else text[:-1].encode()


def layers(rng):
    """Layers: dictionaries of contents by path; None is a whiteout."""
    made, below = [], []
    for _ in range(rng.randint(1, 4)):
        layer = {}
        for _ in range(rng.randint(3, 12)):
            path = rng.choice(["", "d/", "d/e/", "z/"]) + rng.choice("abcdefgh")
            layer[path] = content(rng)
        for path in rng.sample(below, min(len(below), rng.randint(0, 3))):
            if path not in layer:
                layer[path] = None
        # A file is no directory of another: the rules of layers are tested elsewhere.
        layer = {path: data for path, data in layer.items() if path not in ("d", "z", "d/e")}
        below = sorted({path for path in [*below, *layer] if layer.get(path, b"") is not None})
        made.append(layer)
    return made


def archive(path, made, pack):
    """Writes a docker-archive."""
    def tar(add, mode="w"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as file:
            add(file)
        return out.getvalue()

    def put(file, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))

    def layer(entries):
        def add(file):
            for name, data in sorted(entries.items(), key=lambda one: one[0]):
                above, _, last = name.rpartition("/")
                put(file, name if data is not None else f"{above}/.wh.{last}".lstrip("/"), data or b"")
        return tar(add)

    tars = [layer(one) for one in made]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(one).hexdigest() for one in tars]}}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    stored = [gzip.compress(one, 1) if pack else one for one in tars]

    def add(file):
        put(file, name, config)
        for number, data in enumerate(stored):
            put(file, f"{number}/layer.tar", data)
        put(file, "manifest.json", json.dumps([{"Config": name, "RepoTags": ["grep:1"], "Layers": [f"{number}/layer.tar" for number in range(len(tars))]}]).encode())

    path.write_bytes(tar(add))


def unpack(made, final, past):
    """Writes the files of the final tree, and those of the past as they are named by their layer and path."""
    state = {}
    for number, layer in enumerate(made, 1):
        for path, data in layer.items():
            if path in state:
                gone = past / f"layer-{state[path][0]}" / path
                gone.parent.mkdir(parents=True, exist_ok=True)
                gone.write_bytes(state.pop(path)[1])
            if data is not None:
                state[path] = (number, data)
    for path, (_, data) in state.items():
        file = final / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def write(root, files):
    """Writes the files of one layer."""
    for path, data in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if data is not None:
            file.write_bytes(data)


def escaped(line, plain):
    """A line as it is printed: bytes that are no UTF-8, and characters that terminals act on, are escaped."""
    out = []
    for char in line.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if 0xdc80 <= code <= 0xdcff:
            out.append(f"\\x{code - 0xdc00:02x}")
        elif char == "\r":
            out.append("\\r")
        elif char not in plain and (code < 32 or code == 127):
            out.append(f"\\x{code:02x}")
        elif code in (0xfeff, 0xfffd) and char != "\ufffd":
            out.append(f"\\u{{{code:x}}}")
        else:
            out.append(char)
    return "".join(out)


def switches(rng):
    """Switches that both programs have, and patterns."""
    words = []
    across = rng.random() < 0.15
    for one, chance in (("-i", 0.2), ("-S", 0.1), ("-w", 0.12), ("-x", 0.05), ("-v", 0.12), ("-a", 0.2), ("--crlf", 0.1), ("--no-unicode", 0.1), ("--trim", 0.08)):
        if rng.random() < chance:
            words.append(one)
    if across:
        words.append("-U")
        # Across lines, ripgrep 13 finds no file that has lines without a match.
        words = [word for word in words if word not in ("--crlf", "-x", "-v")]
    for one in ("-m", "--max-columns", "--max-filesize"):
        # ripgrep 13 shows lines of context twice for -m across lines, and measures lines before it trims them.
        if rng.random() < 0.08 and not (one == "-m" and across or one == "--max-columns" and "--trim" in words):
            words += [one, {"-m": str(rng.randint(1, 3)), "--max-columns": str(rng.choice([10, 60, 1000])), "--max-filesize": rng.choice(["100", "1K", "1M"])}[one]]
    if rng.random() < 0.12:
        words.append("-F")
    words += rng.choice([["-n"], ["-N"], [], ["-n", "--column"], ["-b"], ["-c"], ["--count-matches"], ["-l"], ["--files-without-match"], ["-o"], ["-on"], ["-o", "-b", "--column"],
                         ["-n", "-A", "1"], ["-B", "2"], ["-n", "-C", "1"], ["--heading"], ["--heading", "-n", "-C", "1"], ["-q"], ["-l", "-0"], ["-c", "-0"]])
    patterns = ACROSS if across else PATTERNS
    if "-w" in words:
        # ripgrep 13 takes `-ow [0-9]+` for 2 in 42, and decides in another way what a word is at the ends of patterns.
        patterns = WORDLIKE
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        words += ["-e", rng.choice(patterns)]
    return words


def compare(what, image, root, words, scope, opened=(), expression=()):
    """Compares both programs. The scope is that of imgfind, or the number of a layer, whose files are in the root.

    `opened` are switches of imgfind for what is inside files, which was unpacked for ripgrep.
    """
    of_layer = isinstance(scope, int)
    options = ["--layer", str(scope)] if of_layer else ["--scope", scope]
    rg = subprocess.run(["rg", "-uuu", "--sort", "path", "--no-config", "--color", "never", *words, "."], cwd=root, env=C, capture_output=True, timeout=300)
    if rg.returncode == 2:
        return
    ours = subprocess.run([BIN / "imgfind", *options, *words, *opened, image, *expression], env=C, capture_output=True, timeout=300)
    wanted = [escaped(line.removeprefix(b"./"), "\t\0" if "-0" in words else "\t") for line in rg.stdout.split(b"\n")]
    found = [line.decode() for line in ours.stdout.split(b"\n")]
    if "-z" in words:
        # ripgrep names the compressed file.
        found = [re.sub(r"^([^!:\0-]+)![^!:\0-]+?(?=[:\-\0]|$)", r"\1", line) for line in found]
    if "--crlf" in words:
        # ripgrep ends all lines of its output by CR and LF then.
        wanted, found = [[line.removesuffix("\\r") for line in lines] for lines in (wanted, found)]
    if scope != "final":
        # Files of the past have their layer in the bracket, or with its command behind a tab; ours are sorted by path, those on disk by layer.
        def named(one):
            return one[1] if of_layer else f"layer-{one[2] or one[3]}/{one[1]}"
        found = sorted(re.sub(r"^([^ \[\t]+?)(?: \[layer (\d+), [^\]]*\]|\tlayer (\d+), .*)(?=[:\-\0]|$)", named, line) for line in found)
        wanted = sorted(wanted)
    elif "-0" in words and "-c" not in words:
        found, wanted = [sorted(path.removeprefix("./") for path in "\n".join(lines).split("\0")) for lines in (found, wanted)]
    else:
        found, wanted = ordered(found, words), ordered(wanted, words)
    same = found == wanted and ours.returncode == rg.returncode
    detail = ""
    if not same:
        detail = f"{words} rc {ours.returncode} {rg.returncode} {ours.stderr.decode()[:300]}\n" + "\n".join(
            f"  {mark} {line[:200]}" for mark, mine, other in (("-", wanted, set(found)), ("+", found, set(wanted))) for line in mine if line not in other)[:1500]
        detail += "" if sorted(found) != sorted(wanted) else f"\n order or number: {len(found)} {len(wanted)}"
    checks.true(f"{what} {scope} {' '.join([*words, *opened])}", same, detail)


def ordered(lines, words):
    """Blocks of files in the order of the bytes of their paths, which is not ripgrep's."""
    text = "\n".join(lines)
    if "--heading" in words:
        return sorted(text.rstrip("\n").split("\n\n"))
    return sorted(lines)


PACKERS = {".gz": lambda data: gzip.compress(data, 1, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}


def node(rng, depth):
    """A file with others inside, as (form, what is in it): text, compression by its suffix, or archive of (name, node). An
    empty tar is a file of zeros."""
    form = rng.choice(["text", ".gz", ".bz2", ".xz", "tar", "zip", "ar"]) if depth else "text"
    if form == "text":
        return form, content(rng)
    if form in PACKERS:
        return form, node(rng, depth - 1)
    return form, [(f"{rng.choice(['', 'sub/' if form != 'ar' else ''])}{letter}{rng.choice(['', '.txt'])}", node(rng, depth - 1)) for letter in rng.sample("abcdefgh", rng.randint(form == "tar", 4))]


def packed(one):
    """The bytes of a node, always the same."""
    form, inner = one
    out = io.BytesIO()
    if form == "text":
        return inner
    if form in PACKERS:
        return PACKERS[form](packed(inner))
    if form == "tar":
        forms = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]
        with tarfile.open(fileobj=out, mode="w", format=forms[len(inner) % 3]) as file:
            for name, member in inner:
                data = packed(member)
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    elif form == "zip":
        with zipfile.ZipFile(out, "w") as file:
            for name, member in inner:
                data = packed(member)
                info = zipfile.ZipInfo(name)
                info.compress_type = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2][len(data) % 3]
                with file.open(info, "w", force_zip64=len(data) % 2 == 0) as target:
                    target.write(data)
    else:
        out.write(b"!<arch>\n")
        for name, member in inner:
            data = packed(member)
            out.write(f"{name + '/':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2))
    return out.getvalue()


def flat(path, one, depth, out):
    """What is searched of a node when so many levels are opened."""
    form, inner = one
    if form == "text" or depth == 0:
        out[path] = packed(one)
    elif form in PACKERS and inner[0] in ("tar", "ar"):
        flat(path, inner, depth, out)
    elif form in PACKERS:
        last = path.rsplit("!", 1)[-1].rsplit("/", 1)[-1]
        flat(f"{path}!{last.removesuffix(form)}", inner, depth - 1, out)
    else:
        for name, member in inner:
            flat(f"{path}!{name}", member, depth - 1, out)


def nested(folder, number, seed, each):
    """Compressed files and archives in files, to three levels."""
    rng = random.Random(seed * 7919 + number)
    nodes = {f"{rng.choice(['', 'x/'])}{letter}": node(rng, 4) for letter in rng.sample("klmnopqr", 6)}
    nodes = {path + (one[0] if one[0] in PACKERS else ""): one for path, one in nodes.items()}
    for depth in (1, 2, 3):
        tree, files = {}, {path: packed(one) for path, one in nodes.items()}
        for path, one in nodes.items():
            flat(path, one, depth, tree)
        image, root = folder / f"nested-{number}-{depth}.tar", folder / f"nested-{number}-{depth}"
        archive(image, [files], number % 2)
        for path, data in tree.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        root.mkdir(exist_ok=True)
        for _ in range(each):
            words = switches(rng)
            # Members are told in the order of their archive, and what separates files depends on it. What is not opened
            # has any characters, which are escaped in other ways; and for ripgrep 13 a CR alone ends no line with --crlf.
            if {"--max-filesize", "--heading", "-A", "-B", "-C", "-a", "--crlf"} & set(words) or not tree:
                continue
            compare(image.name, image, root, words, "final", ["--nested", str(depth)])
    # From a pipe, where ripgrep takes notice of a NUL depends on how much each read gives: it has to be in the first one.
    small = (data for data in iter(lambda: content(rng), None) if len(data) < 30_000)
    flats = {f"{letter}{suffix}": pack(next(small)) for letter, (suffix, pack) in zip("abc", PACKERS.items())}
    image, root = folder / f"zipped-{number}.tar", folder / f"zipped-{number}"
    archive(image, [flats], number % 2)
    root.mkdir()
    for path, data in flats.items():
        (root / path).write_bytes(data)
    for _ in range(each):
        words = switches(rng)
        if "--max-filesize" not in words and "-0" not in words and "--heading" not in words:
            compare(image.name, image, root, ["-z", *words], "final")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=14)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("corpus", nargs="?", type=Path)
    args = parser.parse_args()
    with scratch("imgkit-grep") as folder:
        folder = Path(folder)
        for number in range(args.images):
            rng = random.Random(args.seed * 1000 + number)
            made = layers(rng)
            image, final, past = folder / f"{number}.tar", folder / f"{number}.final", folder / f"{number}.past"
            final.mkdir()
            past.mkdir()
            archive(image, made, number % 2)
            unpack(made, final, past)
            for layer, files in enumerate(made, 1):
                write(folder / f"{number}.{layer}", files)
            for _ in range(args.each):
                words = switches(rng)
                compare(image.name, image, final, words, "final")
                if not {"-0", "--heading", "-A", "-B", "-C"} & set(words):
                    compare(image.name, image, past, words, "past")
                    layer = rng.randint(1, len(made))
                    compare(image.name, image, folder / f"{number}.{layer}", words, layer)
        for number in range(args.images):
            nested(folder, number, args.seed, max(2, args.each // 4))
        if args.corpus:
            corpus(folder, args.corpus)
    checks.done()


def layers_of(folder, path):
    """Unpacks each layer of a docker-archive with GNU tar; yields its number and folder."""
    with tarfile.open(path) as outer:
        for number, layer in enumerate(json.load(outer.extractfile("manifest.json"))[0]["Layers"], 1):
            root = folder / f"{path.name}.{number}"
            root.mkdir()
            member = outer.getmember(layer)
            stored = outer.extractfile(outer._find_link_target(member) if member.issym() else member)
            subprocess.run(["tar", "-xf", "-", "-C", root, "--exclude=.wh.*", "--exclude=dev/*"], input=stored.read(), check=True)
            yield number, root


def corpus(folder, where):
    """Real images: each layer unpacked by GNU tar, the tree by imgexport, which is compared with docker's elsewhere."""
    for name in ("classic.tar", "buildkit.tar"):
        for number, root in layers_of(folder, where / name):
            for words in (["-n", "-e", "root"], ["-c", "-i", "-e", "copyright"], ["-a", "-o", "-b", "-e", "GLIBC_2[.0-9]+"], ["-l", "-v", "-e", "[a-z]"]):
                compare(name, where / name, root, words, number)
        root = folder / f"{name}.root"
        done = subprocess.run([BIN / "imgexport", "-q", "-C", root, where / name], env=ENV, capture_output=True, timeout=300)
        if not checks.true(f"imgexport {name}", done.returncode == 0, done.stderr.decode("utf-8", "replace")):
            continue
        for words in (["-e", "root"], ["-n", "-e", r"\bTODO\b"], ["-c", "-i", "-e", "copyright"], ["-l", "-F", "-e", "libssl"], ["-o", "-n", "-e", "https?://[a-z.]+"],
                      ["--count-matches", "-e", "[aeiou]{3}"], ["-a", "-o", "-b", "-e", "GLIBC_2[.0-9]+"], ["-n", "-C", "2", "-e", "^root:"], ["--files-without-match", "-e", "e"],
                      ["-U", "-n", "-e", r"root.*\n.*daemon"]):
            compare(name, where / name, root, words, "final")
        zipped = folder / f"{name}.zipped"
        for file in root.rglob("*.gz"):
            if file.is_file() and not file.is_symlink():
                copy = zipped / file.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
        for words in (["-z", "-c", "-e", "Debian"], ["-z", "-n", "-e", "urgency="], ["-z", "-l", "-e", "GNU"], ["-z", "-o", "-b", "-e", "[a-z.]+@[a-z.]+"]):
            compare(name, where / name, zipped, words, "final", expression=["-name", "*.gz"])


main()
