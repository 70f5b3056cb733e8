#!/usr/bin/env python3
"""Expressions of imgfind, against GNU find on the exported tree.

    tests/cross/find.py [--trees N] [--each N] [--seed S] [CORPUS]

Trees are generated, each in several layers, and unpacked by imgexport; then find and `imgfind --scope final` get the same
generated expressions, and have to name the same paths. With a corpus, one of its images is searched as well. Root makes
devices and other owners.
"""
import argparse
import io
import json
import os
import random
import subprocess
import tarfile
import time
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch

checks = Checks("find")
NAMES = ["a", "b", "ab", "Ab", "a.txt", "b.TXT", ".hid", "lib.so.1", "x y", "n\nl", "[a]", "*", "-d", "a1", "a22", "\udcff\udc80", "\u00e9"]
DAY = 86400
# Bytes, not characters: names need not be UTF-8.
C = {**ENV, "LC_ALL": "C"}


def tree(rng, now):
    """Layers of a generated image: entries as (name, type, fields, contents)."""
    directories, files, layers = [""], [], []
    for number in range(rng.randint(1, 4)):
        layer = []
        if number == 0:
            for name in ("etc/passwd", "etc/group"):
                layer.append((name, tarfile.REGTYPE, {}, Path("/", name).read_bytes()))
                files.append(name)
        for _ in range(rng.randint(4, 25)):
            above = rng.choice(directories)
            name = (above + "/" if above else "") + rng.choice(NAMES)
            kind = rng.choices(["dir", "file", "symlink", "link", "fifo", "device", "whiteout", "implied"],
                               [6, 12, 4, 3, 1, 1, 2, 2])[0]
            # A change of kind leaves what is below to the rules of layers, which are not tested here.
            if kind != "whiteout" and name in directories:
                kind = "dir"
            elif kind == "dir" and name in files or kind == "implied" and name in files:
                kind = "file"
            fields = {
                "mode": rng.choice([0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777, 0o000, 0o777, 0o664]),
                "uid": rng.choice([0, 0, 1, 2, 1000, 60000]), "gid": rng.choice([0, 0, 5, 60000]),
                "mtime": now - rng.choice([0, 1, 2, 3, 7, 30, 400]) * DAY - rng.choice([90, 630, 43200]),
            }
            if kind == "dir":
                directories.append(name)
                layer.append((name, tarfile.DIRTYPE, fields, b""))
            elif kind == "implied":
                directories.append(name)
                files.append(name + "/in")
                layer.append((name + "/in", tarfile.REGTYPE, fields, b"x"))
            elif kind == "file":
                files.append(name)
                layer.append((name, tarfile.REGTYPE, fields, b"z" * rng.choice([0, 1, 511, 512, 513, 1024, 5000, 70000])))
            elif kind == "symlink":
                files.append(name)
                layer.append((name, tarfile.SYMTYPE, {**fields, "mode": 0o777, "linkname": rng.choice(["a", "../b", "/x/y", "gone"])}, b""))
            elif kind == "link" and (mine := [one for one in layer if one[1] == tarfile.REGTYPE and "/.wh." not in "/" + one[0]]):
                target = rng.choice(mine)
                if target[0] != name:
                    files.append(name)
                    layer.append((name, tarfile.LNKTYPE, {**target[2], "linkname": target[0]}, b""))
            elif kind == "fifo":
                files.append(name)
                layer.append((name, tarfile.FIFOTYPE, fields, b""))
            elif kind == "device" and os.geteuid() == 0:
                files.append(name)
                layer.append((name, tarfile.CHRTYPE, {**fields, "devmajor": 1, "devminor": 3}, b""))
            elif kind == "whiteout" and number and files and (gone := rng.choice(files)) not in ("etc/passwd", "etc/group"):
                above, _, last = gone.rpartition("/")
                layer.append(((above + "/" if above else "") + ".wh." + last, tarfile.REGTYPE, {}, b""))
        layers.append(layer)
    return layers


def archive(path, layers):
    """Writes a docker-archive."""
    import hashlib
    blobs, ids = [], []
    for layer in layers:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            for name, kind, fields, data in layer:
                info = tarfile.TarInfo(name)
                info.type, info.size = kind, len(data)
                info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
                for key, value in fields.items():
                    setattr(info, key, value)
                tar.addfile(info, io.BytesIO(data))
        blobs.append(out.getvalue())
        ids.append("sha256:" + hashlib.sha256(out.getvalue()).hexdigest())
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}).encode()
    members = {f"{n}.tar": blob for n, blob in enumerate(blobs)}
    members["config.json"] = config
    members["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": ["it:1"],
                                            "Layers": [f"{n}.tar" for n in range(len(blobs))]}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


GLOBS = ["*", "a*", "?", "*.txt", "*.TXT", "[ab]*", "[!a]*", ".*", "*b", "a?", "[[:digit:]]*", "*[[:upper:]]*", "\\*", "[[]*", "*\n*", "lib*.so*", "-*", "[a", "a.tx[a-t]"]
PATHS = ["./a*", "*/a", "./*/b*", "*a*", "./a/*", "*/.hid", "./[!a]*", "*.txt", "./etc/pass??", "*/*/*", "*b/*"]
EXTENDED = ["./a.*", ".*/a[0-9]+", ".*/(a|b)", "\\./etc/.*", ".*\\.(txt|TXT)$", ".*/[^/]{1,2}", "(./)?.*[[:upper:]].*", ".*/[]a[]+", ".*so\\.1"]
BASIC = ["./a.*", ".*/a[0-9]\\+", ".*/\\(a\\|b\\)", ".*/[^/]\\{1,2\\}", ".*[.]t*xt", ".*/*", ".*/a\\?b\\?"]


def test(rng, paths):
    """One test as its words."""
    sign = lambda n: rng.choice(["", "+", "-"]) + str(n)
    return rng.choice([
        lambda: ["-name", rng.choice(GLOBS)],
        # With -iname, glibc's classes know capitals from small letters, and imgfind's do not.
        lambda: ["-iname", rng.choice([glob for glob in GLOBS if "[:" not in glob])],
        lambda: [rng.choice(["-path", "-ipath", "-wholename"]), rng.choice(PATHS)],
        lambda: ["-regextype", "posix-extended", rng.choice(["-regex", "-iregex"]), rng.choice(EXTENDED)],
        lambda: ["-regextype", "posix-basic", rng.choice(["-regex", "-iregex"]), rng.choice(BASIC)],
        lambda: ["-type", ",".join(rng.sample("fdlpc", rng.randint(1, 3)))],
        # Sizes of directories are those of a file system.
        lambda: ["(", "!", "-type", "d", "-size", sign(rng.choice([0, 1, 2, 10])) + rng.choice(["", "c", "w", "b", "k", "M"]), ")"],
        lambda: ["-empty"],
        lambda: ["-type", "f", "-links", sign(rng.choice([1, 2]))],
        lambda: [rng.choice(["-uid", "-gid"]), sign(rng.choice([0, 1, 5, 1000]))],
        lambda: rng.choice([["-user", "root"], ["-user", "daemon"], ["-user", "1000"], ["-group", "root"], ["-nouser"], ["-nogroup"]]),
        lambda: ["-perm", rng.choice(["644", "-600", "/022", "/6000", "-u+s", "/u+s,g+s", "u=rw,go=r", "-a+x", "/000", "-000", "0", "a=rX,u+w"])],
        lambda: [*rng.choice([[], [], ["-daystart"]]), "-mtime", sign(rng.choice([0, 1, 2, 7, 30]))],
        lambda: ["-mmin", sign(rng.choice([1, 5, 20, 720, 2000]))],
        lambda: ["-newermt", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - rng.choice([1, 3, 10]) * DAY - 7000))],
        lambda: [rng.choice(["-newer", "-samefile"]), "./" + rng.choice(paths)],
        lambda: [rng.choice(["-lname", "-ilname"]), rng.choice(["*", "a", "../*", "/x*", "GONE"])],
        lambda: rng.choice([["-true"], ["-false"], ["-prune"], ["-name", rng.choice(GLOBS), "-prune"], ["-depth"]]),
        lambda: [rng.choice(["-maxdepth", "-mindepth"]), str(rng.randint(1, 3))],
        # Names only: of `-type d , -name a` find 4.9 evaluates -type last, and gives its value.
        lambda: ["(", "-name", rng.choice(GLOBS), ",", "-name", rng.choice(GLOBS), ")"],
    ])()


def expression(rng, paths, depth=0):
    words = []
    for n in range(rng.randint(1, 3)):
        if n:
            words += rng.choice([[], [], ["-a"], ["-o"], ["-o"], ["-or"]])
        if rng.random() < 0.2:
            words.append(rng.choice(["!", "-not"]))
        words += ["(", *expression(rng, paths, depth + 1), ")"] if depth < 3 and rng.random() < 0.3 else test(rng, paths)
    return words


def compare(what, image, root, words, now):
    """The same expression for both."""
    command = ["find", ".", "-mindepth", "1", "(", *words, ")", "-printf", "%P\\0"]
    if "-mindepth" in words:
        command[2:4] = []
    theirs = subprocess.run([os.fsencode(word) for word in command], cwd=root, env=C, capture_output=True, timeout=60)
    ours = subprocess.run([BIN / "imgfind", "--scope", "final", "-0", image, *map(os.fsencode, words)],
                          env={**ENV, "SOURCE_DATE_EPOCH": str(now)}, capture_output=True, timeout=60)
    if theirs.returncode:
        return checks.true(f"{what}: {words}: find", False, theirs.stderr.decode("utf-8", "replace"))
    expected = sorted(path for path in theirs.stdout.split(b"\0") if path)
    found = [path for path in ours.stdout.split(b"\0") if path]
    if "-depth" in words:
        found.sort()
    detail = f"imgfind {' '.join(map(repr, words))}\n    more: {sorted(set(found) - set(expected))[:5]}\n    fewer: {sorted(set(expected) - set(found))[:5]}\n    {ours.stderr[:300]}"
    good = found == expected and ours.returncode == (0 if expected else 1) and not ours.stderr
    return checks.true(f"{what}: {words}", good, detail)


FORMATS = ["%P|%f|%d|%m|%y|%l\\0", "%U:%G|%u:%g|%M|%s\\0", "[%-12f][%5d][%05m]\\0", "%T@|%T+|%t|%Ta%Tb%Td%Te\\0".replace("%Te", ""), "%TY-%Tm-%Td %TH:%TM:%TS %Tj %Tp\\0",
           "%Tc|%Tr|%Tx|%TD|%TF|%Ts|%Tu%Tw|%TU%TV%TW|%Ty%Tg%TG|%Tk%Tl|%TZ\\0"]


def formats(what, image, root, now):
    for format in FORMATS:
        words = ["!", "-type", "d", "-printf", format]
        theirs = subprocess.run(["find", ".", *words], cwd=root, env=C, capture_output=True, timeout=60, check=True)
        ours = subprocess.run([BIN / "imgfind", "--scope", "final", image, *words], env={**ENV, "SOURCE_DATE_EPOCH": str(now)},
                              capture_output=True, timeout=60)
        checks.same(f"{what}: {format}", sorted(ours.stdout.split(b"\0")), sorted(theirs.stdout.split(b"\0")))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=12)
    parser.add_argument("--each", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("corpus", nargs="?", type=Path)
    args = parser.parse_args()
    with scratch("imgkit-find") as folder:
        folder = Path(folder)
        images = []
        for number in range(args.trees):
            rng = random.Random(args.seed * 1000 + number)
            image = folder / f"{number}.tar"
            archive(image, tree(rng, int(time.time())))
            images.append((rng, image, args.each))
        if args.corpus:
            images.append((random.Random(args.seed), args.corpus / "classic.tar", args.each))
        for rng, image, each in images:
            root = folder / f"{image.stem}.root"
            done = subprocess.run([BIN / "imgexport", "-q", "-C", root, image], env=ENV, capture_output=True, timeout=300)
            if not checks.true(f"imgexport {image.name}", done.returncode == 0, done.stderr.decode("utf-8", "replace")):
                continue
            # find opens the file of -samefile, which waits where that is a FIFO.
            all_paths = subprocess.run(["find", ".", "-mindepth", "1", "!", "-type", "p", "-printf", "%P\\0"], cwd=root, env=C, capture_output=True, check=True)
            paths = [os.fsdecode(path) for path in sorted(all_paths.stdout.split(b"\0")) if path]
            # What one test changes, the other would read.
            now = int(time.time())
            compare(image.name, image, root, ["-true"], now)
            formats(image.name, image, root, now)
            for _ in range(each):
                compare(image.name, image, root, expression(rng, paths), int(time.time()))
    checks.done()


main()
