#!/usr/bin/env python3
"""Second opinions: do GNU tar, Python's tarfile and bsdtar (libarchive) see in a tar what imgkit sees?

    tests/cross/opinions.py [--rounds N] [--seed S] [--keep FOLDER] [PATH]...

Archives are generated: adversarial headers from a seeded generator, some of their bytes changed afterwards. PATHs are
read as well: archives, layouts and folders with such in them; the layers of images are taken out first. Wherever two of
the four readers do not list the same entries (name, type, size, link target, mode, contents), imgverify has to flag
the archive as a layer with a warning at least, or to refuse it.
"""
import argparse
import ctypes
import ctypes.util
import hashlib
import io
import json
import locale
import os
import random
import re
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch

# Rounds of a run in CI, and images in one archive that imgverify is asked about.
ROUNDS = 1500
BATCH = 250
# Contents of more bytes than this are not digested, here as in the listing of imgkit's walk.
MOST = 64 << 20

# What imgverify calls a tar that readers take differently. Other codes may be right as well, but they are no answer to
# the question whether readers differ.
CODES = {
    "size-on-link", "unknown-type", "duplicate-extension", "conflicting-names", "nul-in-name", "missing-end-marker",
    "missing-padding", "trailing-data", "size-desync", "global-override", "odd-number", "prefix-in-doubt", "slash-on-file",
    "empty-link", "empty-name", "empty-record", "odd-sparse", "entries-after-end",
}

checks = Checks("opinions")
BLOCK = 512


# ---- the readers ------------------------------------------------------------------------------------------------

def entry(name, kind, size, target, mode, digest):
    """What is compared. A closing slash, `./` and the like are spellings: no reader makes another file of them."""
    if kind != "file":
        size, digest = 0, ""
    if kind not in ("hard", "sym"):
        target = b""
    clean = b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
    if kind == "hard":
        target = b"/".join(part for part in target.split(b"/") if part not in (b"", b"."))
    return clean, kind, size, target, mode & 0o7777, digest


def ours(paths):
    """What imgkit's walk lists: entries, what stopped it, and whether there are sparse files."""
    done = subprocess.run([BIN / "examples" / "entries"], input="\n".join(map(str, paths)) + "\n", env=ENV,
                          capture_output=True, text=True, check=True)
    lists = []
    for line in done.stdout.splitlines():
        found = json.loads(line)
        rows = [entry(row["name"].encode("latin-1"), row["kind"], row["size"], row["target"].encode("latin-1"), row["mode"],
                      row["digest"]) for row in found["entries"]]
        lists.append((rows, found["fault"] or "", any(row["sparse"] for row in found["entries"])))
    return lists


class Sink:
    """Contents as they are read, unless there is too much of them."""

    def __init__(self, size):
        self.hash, self.wanted = hashlib.sha256(), size <= MOST

    def done(self):
        return self.hash.hexdigest() if self.wanted else ""


def python(path):
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "sym", tarfile.LNKTYPE: "hard", tarfile.CHRTYPE: "char",
             tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo", tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file",
             tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file"}
    rows = []
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            last = -1
            for info in tar:
                if info.offset <= last or info.size < 0:
                    return rows, "it goes backwards"
                last = info.offset
                kind = kinds.get(info.type, "other")
                if info.sparse is not None:
                    kind = "file"
                digest = ""
                if kind == "file":
                    sink = Sink(info.size)
                    file = tar.extractfile(info)
                    while sink.wanted and file and (part := file.read(1 << 20)):
                        sink.hash.update(part)
                    digest = sink.done()
                raw = [text.encode("utf-8", "surrogateescape") for text in (info.name, info.linkname)]
                rows.append(entry(raw[0], kind, info.size, raw[1], info.mode, digest))
    except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, IndexError, TypeError, UnicodeError) as error:
        return rows, f"{type(error).__name__}: {error}"
    return rows, ""


class LibArchive:
    """The library that bsdtar is; called directly, its names are bytes."""

    def __init__(self):
        name = ctypes.util.find_library("archive")
        if not name:
            sys.exit("opinions: libarchive is not installed (Debian: libarchive-tools)")
        self.lib = lib = ctypes.CDLL(name)
        lib.archive_read_new.restype = lib.archive_entry_pathname.restype = ctypes.c_void_p
        for call in ("archive_entry_pathname", "archive_entry_hardlink", "archive_entry_symlink", "archive_error_string"):
            getattr(lib, call).restype = ctypes.c_char_p
            getattr(lib, call).argtypes = [ctypes.c_void_p]
        lib.archive_entry_size.restype = ctypes.c_int64
        lib.archive_read_data.restype = ctypes.c_ssize_t
        for call in ("archive_entry_size", "archive_entry_mode", "archive_read_free", "archive_read_support_format_tar",
                     "archive_entry_filetype"):
            getattr(lib, call).argtypes = [ctypes.c_void_p]
        lib.archive_read_open_filename.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        lib.archive_read_next_header.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        lib.archive_read_data.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]

    def list(self, path):
        lib = self.lib
        kinds = {0o100000: "file", 0o120000: "sym", 0o020000: "char", 0o060000: "block", 0o040000: "dir", 0o010000: "fifo"}
        archive = lib.archive_read_new()
        rows, fault = [], ""
        buf = ctypes.create_string_buffer(1 << 20)
        try:
            lib.archive_read_support_format_tar(archive)
            if lib.archive_read_open_filename(archive, os.fsencode(path), 10240) != 0:
                return [], str(lib.archive_error_string(archive))
            this = ctypes.c_void_p()
            while True:
                code = lib.archive_read_next_header(archive, ctypes.byref(this))
                if code == 1:
                    break
                if code < -20:
                    fault = str(lib.archive_error_string(archive))
                    break
                name = lib.archive_entry_pathname(this) or b""
                hard, soft = lib.archive_entry_hardlink(this), lib.archive_entry_symlink(this)
                kind = "hard" if hard else kinds.get(lib.archive_entry_filetype(this) & 0o170000, "other")
                size = lib.archive_entry_size(this)
                digest = ""
                if kind == "file":
                    sink = Sink(size)
                    while sink.wanted and (read := lib.archive_read_data(archive, buf, len(buf))):
                        if read < 0:
                            fault = str(lib.archive_error_string(archive))
                            break
                        sink.hash.update(buf.raw[:read])
                    digest = sink.done()
                rows.append(entry(name, kind, size, hard or soft or b"", lib.archive_entry_mode(this), digest))
                if fault:
                    break
        finally:
            lib.archive_read_free(archive)
        return rows, fault


LETTERS = {"-": "file", "d": "dir", "l": "sym", "h": "hard", "c": "char", "b": "block", "p": "fifo", "C": "file"}
ROW = re.compile(rb'^([-dlhcbpCVMNLK?x~])([-rwxsStT]{9}) +\S+ +([0-9]+(?:,[0-9]+)?) +\S+ +\S+ +"((?:[^"\\]|\\.)*)"'
                 rb'(?: (?:->|link to) "((?:[^"\\]|\\.)*)")?', re.S)


def unquoted(text):
    simple = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

    def one(match):
        if match[1][:1].isdigit():
            return bytes([int(match[1], 8) & 255])
        return simple.get(match[1], match[1])

    return re.sub(rb"\\([0-7]{1,3}|.)", one, text, flags=re.S)


def mode_of(letters):
    mode = 0
    for at, letter in enumerate(letters.decode()):
        bit = 0o400 >> at
        if letter in "rwxst":
            mode |= bit
        if letter in "sStT":
            mode |= 0o4000 >> (at // 3)
    return mode


def gnu(path, sparse):
    """GNU tar's listing, and all contents one after the other.

    Written to a pipe, GNU tar 1.34 loses its place behind a sparse file, so archives with such are only listed, as are
    large ones.
    """
    command = ["tar", "-tvvP" if sparse else "-xvvOP", "--full-time", "--numeric-owner", "--quoting-style=c", "--no-same-permissions", "-f", path]
    with subprocess.Popen(command, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(run.stderr.read)
            listing = io.BytesIO()
            whole, length = hashlib.sha256(), 0
            while (part := run.stdout.read(1 << 20)) and length <= 2 * MOST:
                whole.update(part)
                length += len(part)
                if sparse:
                    listing.write(part)
            if length > 2 * MOST:
                # Too much to be compared: it is listed, then.
                run.kill()
                return gnu(path, True)
            said = listing.getvalue() + said.result()
        code = run.wait()
    rows, faults = [], []
    for line in said.split(b"\n"):
        row = ROW.match(line)
        if not row:
            if line.startswith(b"tar: "):
                faults.append(line.decode("utf-8", "replace"))
            continue
        letter = row[1].decode()
        kind = LETTERS.get(letter, "other")
        size = int(row[3]) if b"," not in row[3] else 0
        rows.append(entry(unquoted(row[4]), kind, size, unquoted(row[5] or b""), mode_of(row[2]), ""))
    return rows, "; ".join(faults) if code else "", None if sparse else whole.hexdigest()


# ---- comparing --------------------------------------------------------------------------------------------------

def disagreement(path, mine, library):
    """How the readers differ on an archive, in words; None if they do not."""
    our_rows, our_fault, sparse = mine
    opinions = {"imgkit": (our_rows, our_fault), "python": python(path), "bsdtar": library.list(path)}
    gnu_rows, gnu_fault, whole = gnu(path, sparse)
    opinions["gnu"] = (gnu_rows, gnu_fault)
    base = [row[:5] for row in our_rows]
    for name, (rows, fault) in opinions.items():
        if name == "imgkit":
            continue
        theirs = rows if name != "gnu" else [row[:5] for row in rows]
        expected = our_rows if name != "gnu" else base
        if theirs != expected:
            at = next((i for i, (a, b) in enumerate(zip(expected, theirs)) if a != b), min(len(expected), len(theirs)))
            have = expected[at] if at < len(expected) else f"end {our_fault}"
            says = theirs[at] if at < len(theirs) else f"end {fault}"
            return f"{name}: entry {at}: imgkit {have!r}, {name} {says!r}"
    # Contents as GNU tar has them: all of them in one digest, so only where nothing else differs.
    if whole is not None and not gnu_fault and all(row[5] or row[1] != "file" for row in our_rows):
        contents = hashlib.sha256()
        rest = python_contents(path)
        if rest is not None:
            contents.update(rest)
            if contents.hexdigest() != whole:
                return "gnu: the contents differ"
    return None


def python_contents(path):
    """All contents as Python has them, which agreed with imgkit's entry by entry."""
    out = io.BytesIO()
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            for info in tar:
                if info.isreg() or info.sparse is not None:
                    file = tar.extractfile(info)
                    out.write(file.read() if file else b"")
                    if out.tell() > 2 * MOST:
                        return None
    except tarfile.TarError:
        # Of an end that is cut off; the entries were compared before.
        pass
    return out.getvalue()


# ---- imgverify on layers ----------------------------------------------------------------------------------------

def member(name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % BLOCK)


def flagged(folder, layers):
    """What imgverify says of each of these tars as the only layer of an image: (severity, code) pairs."""
    items, seen, parts = [], set(), []
    # With one more, so that places name the image even where there is one layer.
    for number, data in enumerate([*layers, bytes(1024)]):
        digest = hashlib.sha256(data).hexdigest()
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": [f"N={number}"]},
                             "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}).encode()
        name = hashlib.sha256(config).hexdigest() + ".json"
        # A layer that two images share is read once and reported for the first: each gets a name of its own.
        items.append({"Config": name, "RepoTags": [f"t:{number}"], "Layers": [f"{number}.tar"]})
        parts.append(member(name, config))
        parts.append(member(f"{number}.tar", data))
    archive = folder / "layers.tar"
    archive.write_bytes(b"".join([*parts, member("manifest.json", json.dumps(items).encode()), bytes(1024)]))
    run = checks.run("imgverify", "--json", archive, timeout=300)
    found = [[] for _ in layers]
    for row in run.rows():
        if row["Type"] == "finding":
            match = re.match(r"(?:.*/)?t:([0-9]+)(?::|$)", row["Places"][0]) if row["Places"] else None
            if match and int(match[1]) < len(found):
                found[int(match[1])].append((row["Severity"], row["Code"]))
        elif row["Type"] == "error":
            match = re.search(r"\bt:([0-9]+): layer", row["Message"])
            if match:
                found[int(match[1])].append(("error", "trouble"))
    archive.unlink()
    if not run.rows():
        sys.exit(f"imgverify said nothing: {run.err}")
    return found


# ---- the generator ----------------------------------------------------------------------------------------------

def octal(value, length):
    return b"%0*o\0" % (length - 1, value)


def base256(value, length):
    return (value & ((1 << (8 * length)) - 1) | (0x80 << (8 * (length - 1)))).to_bytes(length, "big") if value >= 0 else \
        (value + (1 << (8 * length))).to_bytes(length, "big")


def summed(block):
    """The block with its checksum."""
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def header(name=b"f", kind=b"0", size=0, mode=0o644, link=b"", magic=b"ustar\x0000", prefix=b"", fields=()):
    block = bytearray(BLOCK)

    def put(at, value):
        block[at:at + len(value)] = value

    put(0, name[:100])
    put(100, octal(mode, 8))
    put(108, octal(0, 8))
    put(116, octal(0, 8))
    put(124, octal(size, 12) if size < 8 ** 11 else base256(size, 12))
    put(136, octal(1, 12))
    put(156, kind)
    put(157, link[:100])
    put(257, magic)
    put(345, prefix[:155])
    for at, value in fields:
        put(at, value)
    return summed(block)


def padded(data, filler=b"\0"):
    return data + filler * (-len(data) % BLOCK)


def record(key, value):
    rest = len(key) + len(value) + 3
    length = rest + 1
    while length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def pax(records, kind=b"x"):
    data = b"".join(record(key, value) if isinstance(key, bytes) else value for key, value in records)
    return header(b"pax", kind, len(data)) + padded(data)


def long(kind, name, closing=b"\0"):
    data = name + closing
    return header(b"././@LongLink", kind, len(data), magic=b"ustar  \0") + padded(data)


def sparse_header(name, segments, real, extended=(), fields=()):
    table = b"".join(octal(at, 12) + octal(length, 12) for at, length in segments)
    return header(name, b"S", sum(length for _, length in [*segments, *extended]), magic=b"ustar  \0",
                  fields=[(386, table), (482, bytes([bool(extended)])), (483, octal(real, 12)), *fields])


MAGICS = [b"ustar\x0000", b"ustar  \0", b"\0" * 8, b"ustar\0\0\0", b"ustar\x00  ", b"ustar\0\x30\x30", b"ustar \x30\x30", b"USTAR\x0000",
          b"ustar!00", b"ustar  1", b"ustar\x0001"]
NUMBERS = [b"        ", b"\0" * 8, b"0000644\0", b"   644 \0", b"644\0junk", b"00000644", b"-0000001", b"+0000644", b"64 4\0   ",
           b"0x1ff\0\0\0", b"0000648\0", b"\0 0644 \0", b"\x80\0\0\0\0\0\x01\xa4", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"0040755\0",
           b"7777777\0", b"77777777", b"\x81\0\0\0\0\0\0\0", b"1\0\0\0\0\0\0\0", b" 1 1 1 \0", b"0104755\0", b"\t644\0   ", b"644a\0   "]
KINDS = [b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"D", b"V", b"M", b"N", b"L", b"K", b"x", b"g", b"X", b"A", b"Z",
         b"I", b"E", b" ", b"8", b"\xff"]


class Maker:
    """Makes one archive after the other, the same on every run of one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def name(self):
        r = self.random
        base = r.choice([b"a", b"b", b"dir/c", b"./d", b"etc/passwd", b"e/", b"f/g/", b"/abs", b"h//i", b"j/./k", b"../up", b"l/../m", b"",
                         b".", b"./", b"caf\xc3\xa9", b"latin\xe9", b"sp ace", b"new\nline", b"q\"uote", b"back\\slash", b"n" * 99, b"n" * 100,
                         b"\x01ctl", b".wh.x", b"x", b"trail "])
        return base + r.choice([b"", b"", b"", str(r.randrange(9)).encode()])

    def contents(self):
        r = self.random
        inner = header(b"hidden", b"0", 0) + header(b"hidden2", b"0", 3) + padded(b"abc")
        return r.choice([b"", b"x", b"hello\n", b"y" * 511, b"z" * 512, b"w" * 513, b"v" * 1500, inner, inner + inner, b"\0" * 512, b"\0" * 1500])

    def file(self):
        data = self.contents()
        r = self.random
        return header(self.name(), r.choice([b"0", b"0", b"0", b"\0", b"7"]), len(data), r.choice([0o644, 0o755, 0o4755, 0]),
                      magic=r.choice(MAGICS[:3])) + padded(data, r.choice([b"\0"] * 9 + [b"P"]))

    def folder(self):
        return header(self.random.choice([b"d/", b"d", b"e/f/", b"./"]), b"5", 0, 0o755)

    def link(self):
        r = self.random
        kind = r.choice([b"1", b"2"])
        target = r.choice([b"a", b"b", b"./a", b"/a", b"../x", b"", b"t" * 100, b"dir/c", b"c\xc3\xa9", b"l\xe9", b"s s"])
        data = r.choice([b""] * 6 + [b"data", self.contents()])
        size = r.choice([len(data)] * 5 + [0, 5, 512])
        return header(self.name(), kind, size, link=target) + padded(data)

    def special(self):
        r = self.random
        size = r.choice([0, 0, 0, 5, 512])
        data = r.choice([b"", padded(b"d" * size)])
        return header(self.name(), r.choice([b"3", b"4", b"6"]), size, fields=[(329, octal(1, 8)), (337, octal(3, 8))]) + data

    def odd_kind(self):
        data = self.contents()
        return header(self.name(), self.random.choice(KINDS), len(data)) + padded(data)

    def odd_field(self):
        """A number that readers may read differently."""
        r = self.random
        data = self.contents()
        at, length = r.choice([(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8)])
        value = r.choice(NUMBERS)
        if at == 124:
            n = len(data)
            value = r.choice([value.ljust(12, b"\0"), b"%o" % n, b"%12o" % n, b"%11o " % n, b"%011o " % n, b"%012o" % n, b" %o \0" % n,
                              base256(n, 12), b"-%o\0" % n, b"+%o\0" % n, b"\0%o" % n, b"%o\0 1" % n, b"0x%x" % n, b"%o 1" % n,
                              b"%oz" % n, b"\t%o\0" % n, b"%o\t" % n, b"%o\n" % n, base256(n + (1 << 64), 12), base256(-n - 1, 12),
                              b"\x80" + b"\xff" * 11, b"\x40" + octal(n, 11)])[:12]
            value = value.ljust(12, r.choice([b"\0", b" "]))
        elif length == 12:
            value = value.ljust(12, r.choice([b"\0", b" "]))
        return header(self.name(), r.choice([b"0", b"0", b"5", b"3"]), len(data), fields=[(at, value)],
                      magic=r.choice(MAGICS)) + padded(data)

    def odd_sum(self):
        """A checksum in another spelling, of signed bytes, or wrong."""
        r = self.random
        data = self.contents()
        block = bytearray(header(r.choice([b"sum", b"s\xe9\xff\xfe"]), b"0", len(data)))
        block[148:156] = b" " * 8
        plain = sum(block)
        signed = sum(b - 256 if b > 127 else b for b in block)
        n = r.choice([plain, plain, signed, plain + 1, 0])
        spelling = r.choice([b"%06o\0 ", b"%06o \0", b"%07o\0", b"%08o", b" %05o\0 ", b"%6o \0", b"%o\0\0\0 "])
        block[148:156] = (spelling % n).ljust(8, b"\0")[:8]
        return bytes(block) + padded(data)

    def odd_magic(self):
        r = self.random
        data = self.contents()
        return header(self.name(), r.choice([b"0", b"0", b"5", b"2"]), len(data), magic=r.choice(MAGICS), prefix=r.choice([b"", b"pre", b"pre/fix", b"p" * 131, b"q" * 155]),
                      link=b"t", fields=r.choice([[], [(508, b"tar\0")], [(500, b"rest of it")], [(345 + 131, octal(1, 12))]])) + padded(data)

    def hidden(self):
        """Bytes after the NUL that ends a text."""
        r = self.random
        at = r.choice([0, 157, 265, 297, 345])
        data = self.contents()
        kind = r.choice([b"0", b"2", b"1"])
        return header(b"shown", kind, len(data) if kind == b"0" else 0, link=b"to", fields=[(at + 10, b"evil")]) + (padded(data) if kind == b"0" else b"")

    def sized(self):
        """A PAX size that is not the header's."""
        r = self.random
        data = self.contents()
        stated, own = r.choice([(len(data), 0), (len(data), len(data) + 512), (0, len(data)), (len(data), 3), (len(data), len(data)), (512, 1024)])
        value = r.choice([b"%d"] * 8 + [b"0%d", b" %d", b"+%d", b"%d ", b"%d.0", b"-%d", b"0x%x"]) % stated
        kind = r.choice([b"0", b"0", b"0", b"5", b"2", b"1", b"S", b"V"])
        records = [(b"size", value)]
        if r.random() < 0.2:
            records.append((b"size", b"%d" % own))
        where = r.choice([b"x", b"x", b"x", b"g", b"X"])
        return pax(records, where) + header(self.name(), kind, own, link=b"a") + padded(data)

    def paxed(self):
        """Records of all kinds, some malformed."""
        r = self.random
        choices = [(b"path", self.name()), (b"path", b"pax/name"), (b"path", b""), (b"linkpath", b"pax/target"), (b"linkpath", b""), (b"mtime", b"1.5"),
                   (b"mtime", b"-1.5"), (b"mtime", b"x"), (b"mtime", b""), (b"uid", b"77"), (b"uid", b"-1"), (b"uid", b"99999999999999999999"), (b"gid", b""), (b"uname", b"u\0x"),
                   (b"path", b"nul\0x"), (b"SCHILY.xattr.user.a", b"v\0\n="), (b"comment", b"c"), (b"hdrcharset", b"BINARY"), (b"path", b"l\xe9"),
                   (b"size", b""), (b"path", b"p/" + b"q" * 300), (b"path", b"dir/"), (b"hdrcharset", b"ISO-IR 10646 2000 UTF-8"), (b"SCHILY.dev", b"1"), (b"SCHILY.filetype", b"dir"), (b"mode", b"777"), (b"SCHILY.devmajor", b"9"),
                   (b"SCHILY.realsize", b"3"), (b"LIBARCHIVE.symlinktype", b"dir"), (b"RHT.security.selinux", b"x"), (b"VENDOR.k", b"v"), (b"charset", b"x"), (b"RHT.security", b"")]
        records = [r.choice(choices) for _ in range(r.randrange(1, 4))]
        if r.random() < 0.15:
            records.append((None, r.choice([b"5 a=b\n", b"6 a=b\n", b"7 a=b\n", b"99 a=b\n", b"6 ab\n\n", b"x a=b\n", b"06 a=b\n", b"\0" * 8, b"6 a=b\0", b" 6 a=b\n", b"6  =b\n", b"6 =ab\n", b"0 a=b\n", b"+6 a=b\n", b"7 path\n", b"-6 a=b\n"])))
        return pax(records, r.choice([b"x"] * 8 + [b"g", b"X"])) + r.choice([self.file, self.file, self.folder, self.link])()

    def longed(self):
        r = self.random
        first = long(r.choice([b"L", b"L", b"K"]), r.choice([self.name(), b"o" * 150, b"nul\0inside", b"end/", b"", b"m" * 511, b"m" * 512]), r.choice([b"\0", b"", b"\0\0", b"\0" * 600, b"\n"]))
        return first + r.choice([self.file, self.link, self.folder, self.longed, self.paxed])()

    def repeated(self):
        """Several extension headers in a row, in every mixture."""
        r = self.random
        one = lambda: r.choice([pax([(b"path", b"p1")]), pax([(b"path", b"p2")]), pax([(b"linkpath", b"lp")]), pax([(b"size", b"3")]), long(b"L", b"l1"), long(b"L", b"l2"), long(b"K", b"k1"), pax([(b"path", b"g1")], b"g"), pax([(b"mtime", b"7")], b"g"), pax([(b"comment", b"x")], b"g"), pax([(b"size", b"3")], b"g"), pax([(b"mtime", b"9")])])
        return b"".join(one() for _ in range(r.randrange(2, 4))) + r.choice([self.file, self.link])()

    def sparse(self):
        r = self.random
        form = r.randrange(6)
        if form == 0:
            return sparse_header(b"sparse", [(0, 3), (1024, 5)], r.choice([2000, 1029, 1028, 0]), fields=r.choice([[], [(482, b"\1")]])) + padded(b"abcdefgh")
        if form == 1:
            block = bytearray(BLOCK)
            block[0:48] = octal(4096, 12) + octal(2, 12) + octal(5000, 12) + octal(0, 12)
            return sparse_header(b"sparse4", [(0, 1), (600, 1), (1200, 1), (1800, 1)], 5000, extended=[(4096, 2)]) + bytes(block) + padded(b"abcdef")
        if form == 2:
            keys = [(b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.offset", b"0"), (b"GNU.sparse.numbytes", b"3"), (b"GNU.sparse.offset", b"1024"), (b"GNU.sparse.numbytes", b"5")]
            if r.random() < 0.3:
                r.shuffle(keys)
            return pax(keys) + header(b"sparse00", b"0", 8) + padded(b"abcdefgh")
        if form == 3:
            keys = [(b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", r.choice([b"2", b"1", b"3"])), (b"GNU.sparse.map", r.choice([b"0,3,1024,5", b"1024,5,0,3", b"0,3,1024", b"0,3,2,5", b"", b"0,8"])), (b"GNU.sparse.name", b"sparse01")]
            return pax(keys) + header(b"GNUSparseFile.1/sparse01", b"0", 8) + padded(b"abcdefgh")
        records = [(b"GNU.sparse.major", r.choice([b"1", b"1", b"1", b"2", b"0"])), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"sparse10"), (b"GNU.sparse.realsize", r.choice([b"2000", b"2000", b"1029", b"100"]))]
        if r.random() < 0.2:
            records.pop(r.randrange(4))
        table = r.choice([b"2\n0\n3\n1024\n5\n", b"2\n0\n3\n1024\n5\n", b"1\n0\n8\n", b"3\n0\n3\n1024\n5\n", b"2\n1024\n5\n0\n3\n", b"0\n", b"02\n0\n3\n1024\n5\n", b"2\n0\n3\n1024\n5", b" 2\n0\n3\n1024\n5\n"])
        body = padded(table) + padded(b"abcdefgh")
        return pax(records) + header(b"GNUSparseFile.1/sparse10", r.choice([b"0", b"0", b"5", b"S"]), BLOCK + 8) + body

    def zero(self):
        """Zero blocks where none belong."""
        return bytes(BLOCK * self.random.choice([1, 1, 2, 3]))

    def slash(self):
        return header(b"slashed/", self.random.choice([b"0", b"\0", b"7", b"1", b"2"]), self.random.choice([0, 4]), link=b"a") + self.random.choice([b"", padded(b"data")])

    def make(self):
        r = self.random
        plain = [self.file, self.folder, self.link, self.special]
        odd = [self.odd_kind, self.odd_field, self.odd_field, self.odd_sum, self.odd_magic, self.hidden, self.sized, self.sized, self.paxed, self.paxed,
               self.longed, self.repeated, self.repeated, self.sparse, self.zero, self.slash]
        steps = [r.choice(plain) for _ in range(r.randrange(0, 3))]
        steps += [r.choice(odd) for _ in range(r.choice([0, 1, 1, 1, 1, 2, 3]))]
        r.shuffle(steps)
        steps += [r.choice([self.file, self.folder])] * r.choice([0, 1, 1])
        parts = [step() for step in steps]
        how = " ".join(step.__name__ for step in steps)
        end = r.choice([bytes(1024)] * 12 + [b"", bytes(512), bytes(10240), bytes(1024) + self.file() + bytes(1024), bytes(512) + self.file() + bytes(1024),
                                            bytes(1024) + b"trailing", bytes(100), bytes(1024) + bytes(600), b"end" + bytes(1021)])
        tar = bytearray(b"".join(parts) + end)
        if r.random() < 0.25 and tar:
            how += " mutated"
            for _ in range(r.randrange(1, 4)):
                if tar:
                    self.mutate(tar)
        return bytes(tar), how

    def mutate(self, tar):
        r = self.random
        way = r.randrange(5)
        at = r.randrange(len(tar))
        if way == 0:
            tar[at] ^= 1 << r.randrange(8)
        elif way == 1:
            tar[at] = r.choice([0, 32, 48, 55, 128, 255])
        elif way == 2:
            del tar[len(tar) - r.randrange(1, len(tar) + 1) // 4 - 1:]
        elif way == 3:
            block = at // BLOCK * BLOCK
            tar[block:block] = tar[block:block + BLOCK]
        else:
            block = at // BLOCK * BLOCK
            del tar[block:block + BLOCK]
        if len(tar) >= BLOCK and r.random() < 0.8:
            # With the checksum repaired, the change is read.
            block = min(at // BLOCK * BLOCK, len(tar) - BLOCK) // BLOCK * BLOCK
            if any(tar[block:block + BLOCK]):
                tar[block:block + BLOCK] = summed(tar[block:block + BLOCK])


# ---- archives that are there --------------------------------------------------------------------------------------

def tars_in(path):
    """The tars at and below a path, and those that are layers of what is found there, as (what, bytes)."""
    seen = set()
    work = [path]
    while work:
        path = work.pop(0)
        if path.is_symlink():
            continue
        if path.is_dir():
            work.extend(sorted(path.iterdir()))
            continue
        if not path.is_file() or path.stat().st_size > 2 << 30:
            continue
        yield from tars_of(path, seen)


def tars_of(path, seen):
    opened = plain(path.read_bytes())
    if opened is None or hashlib.sha256(opened).digest() in seen:
        return
    seen.add(hashlib.sha256(opened).digest())
    yield str(path), opened
    try:
        with tarfile.open(fileobj=io.BytesIO(opened)) as tar:
            for info in tar:
                if info.isreg() and info.size >= BLOCK:
                    inner = plain(tar.extractfile(info).read())
                    if inner is not None and hashlib.sha256(inner).digest() not in seen:
                        seen.add(hashlib.sha256(inner).digest())
                        yield f"{path}: {info.name}", inner
    except (tarfile.TarError, EOFError, OSError, ValueError):
        return


def plain(data):
    """A tar, unpacked; None for anything else."""
    tools = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}
    for magic, name in tools.items():
        if data.startswith(magic):
            done = subprocess.run([name, "-dcq"], input=data, capture_output=True)
            data = done.stdout
            break
    block = data[:BLOCK]
    if len(block) < BLOCK:
        return None
    try:
        stated = int(block[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    return data if stated == sum(block[:148]) + 256 + sum(block[156:]) else None


def judge(folder, archives, library, found):
    """Compares one batch of (what, bytes)."""
    paths = []
    for number, (_, data) in enumerate(archives):
        path = folder / f"{number}.tar"
        path.write_bytes(data)
        paths.append(path)
    lists = ours(paths)
    verdicts = flagged(folder, [data for _, data in archives])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        differ = list(pool.map(lambda pair: disagreement(*pair, library), zip(paths, lists)))
    for (what, data), path, mine, how, said in zip(archives, paths, lists, differ, verdicts):
        bad = sorted({code for severity, code in said if severity in ("warning", "error") and code in CODES})
        found["archives"] += 1
        if mine[1]:
            found["refused"] += 1
            checks.true(f"{what}: what the walk refuses, imgverify refuses", any(s == "error" for s, _ in said), f"{mine[1]}; imgverify: {said}")
        elif how:
            found["differ"] += 1
            if not checks.true(f"{what}: readers differ and imgverify says so", bad, f"{how}; imgverify: {said}") and found["keep"]:
                (found["keep"] / (re.sub(r"[^A-Za-z0-9.]+", "-", what) + ".tar")).write_bytes(data)
        else:
            found["agree"] += 1
            found["flagged"] += bool(bad)
            checks.passed += 1
        path.unlink()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rounds", type=int, default=ROUNDS)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--keep", type=Path)
    args.add_argument("paths", nargs="*", type=Path)
    args = args.parse_args()
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    library = LibArchive()
    found = {"archives": 0, "refused": 0, "differ": 0, "agree": 0, "flagged": 0, "keep": args.keep}
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with scratch() as folder:
        folder = Path(folder)
        batch = []
        for number in range(args.rounds):
            # Each round has a seed of its own, so that one of them can be had again without the others.
            data, how = Maker(f"{args.seed}.{number}").make()
            batch.append((f"{args.seed}.{number} ({how})", data))
            if len(batch) == BATCH or number + 1 == args.rounds:
                judge(folder, batch, library, found)
                batch = []
        for path in args.paths:
            for what, data in tars_in(path):
                judge(folder, [(what, data)], library, found)
    print("{archives} archives: {agree} on which all four agree ({flagged} of them flagged), {differ} on which they differ, "
          "{refused} refused".format(**found) + f"; {time.monotonic() - start:.0f} s")
    checks.done()


if __name__ == "__main__":
    main()
