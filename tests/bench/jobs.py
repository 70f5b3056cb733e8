"""The jobs: what is timed, against whom, and what has to come out.

Programs here put their output on the disk before they end, so `sync FILE` is part of what a peer and a limit have to do
where they write one, and `sync -f FOLDER` where it is many. What an engine does with its own storage is left to it.
"""
import hashlib
import io
import json
import os
import random
import stat
import subprocess
import tarfile
from pathlib import Path

import airgap
import search
from contest import ENV, Contender, Trouble, sh

# What docker puts into every container, and the folders whose times that changes.
DOCKERS = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "proc", "sys", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ""}


def diff_ids(source):
    """What identifies an image's files, told by skopeo."""
    def ask():
        config = sh(f"skopeo --insecure-policy inspect --config {source}", check=True)
        return json.loads(config)["rootfs"]["diff_ids"]
    return ask


def engine_ids(command):
    """The same, told by an engine."""
    return lambda: json.loads(sh(command, check=True))


def row(kind, mode, uid, gid, mtime, size, target, content):
    return [kind, mode & 0o7777, uid, gid, int(mtime // 1), size, target, content]


def hashed(stream):
    return hashlib.file_digest(stream, "sha256").hexdigest()


def tar_rows(path):
    """Each entry of a tar; a hard link as another of what it links to. Without what docker adds."""
    def read():
        rows = {}
        with tarfile.open(path, errors="surrogateescape") as tar:
            for member in tar:
                name = os.path.normpath(member.name).strip("/")
                name = "" if name == "." else name
                if member.islnk():
                    rows[name] = rows.get(os.path.normpath(member.linkname).strip("/"))
                    continue
                content = hashed(tar.extractfile(member)) if member.isfile() else ""
                kind = "f" if member.isfile() else member.type.decode()
                rows[name] = row(kind, member.mode, member.uid, member.gid, member.mtime, member.size, member.linkname, content)
        return {name: found for name, found in rows.items() if name not in DOCKERS}
    return lambda: digest(read())


def folder_rows(top):
    rows = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            is_file = stat.S_ISREG(status.st_mode)
            target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
            content = ""
            if is_file:
                with open(path, "rb") as stream:
                    content = hashed(stream)
            kind = stat.S_IFMT(status.st_mode)
            # A folder's own size and the mode of a link say nothing.
            mode = 0 if target else status.st_mode
            rows[os.path.relpath(path, top)] = row(kind, mode, status.st_uid, status.st_gid, status.st_mtime, status.st_size if is_file else 0, target, content)
    return rows


def digest(rows):
    return [len(rows), hashlib.sha256(json.dumps(sorted(rows.items())).encode("utf-8", "surrogateescape")).hexdigest()]


def unpacked(top):
    return lambda: digest(folder_rows(top))


def last_layer(layout, name):
    """The paths that the last layer of a layout's image speaks of, folders left out. `name`: the end of the image's."""
    def blob(descriptor):
        return Path(layout, "blobs", *descriptor["digest"].split(":"))
    def read():
        index = json.loads(Path(layout, "index.json").read_text())
        named = [one for one in index["manifests"] if one.get("annotations", {}).get("org.opencontainers.image.ref.name", "").endswith(name)]
        manifest = json.loads(blob(named[0]).read_text())
        with tarfile.open(blob(manifest["layers"][-1])) as tar:
            return sorted(os.path.normpath(member.name).strip("/") for member in tar if not member.isdir())
    return read


def make_archive(path, layers, name):
    """A docker-archive of layers, each given as entries of a name and a function that gives its contents' chunks."""
    if path.exists():
        return
    part = path.with_suffix(".part")
    ids, files = [], []
    for number, entries in enumerate(layers):
        file = path.parent / f"{path.stem}.{number}.layer"
        with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
            folders = set()
            for entry, size, chunks in entries:
                for parent in [str(parent) for parent in reversed(Path(entry).parents)][1:]:
                    if parent not in folders:
                        folders.add(parent)
                        member = tarfile.TarInfo(parent)
                        member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
                        tar.addfile(member)
                member = tarfile.TarInfo(entry)
                member.size, member.mode, member.mtime = size, 0o644, 1_700_000_000
                tar.addfile(member, chunks)
        with open(file, "rb") as stream:
            ids.append("sha256:" + hashed(stream))
        files.append(file)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": ids},
                         "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"layer {i}"} for i in range(len(ids))]}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{id[7:]}/layer.tar" for id in ids]}]
    with tarfile.open(part, "w") as tar:
        for id, file in zip(ids, files):
            tar.add(file, f"{id[7:]}/layer.tar")
            file.unlink()
        for member, data in [(config_name, config), ("manifest.json", json.dumps(manifest).encode())]:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    part.rename(path)


class Chunks(io.RawIOBase):
    """Bytes that pack about by half, made as they are read."""

    def __init__(self, size, seed):
        self.left, self.random = size, random.Random(seed)
        self.block = b""

    def read(self, n=-1):
        n = self.left if n < 0 else min(n, self.left)
        while len(self.block) < n:
            self.block += self.random.randbytes(1 << 19) + bytes(1 << 19)
        out, self.block = self.block[:n], self.block[n:]
        self.left -= n
        return out


def small_files(count, start=0, folder="files"):
    for i in range(start, start + count):
        data = f"file {i}\n".encode() * (i % 40)
        yield f"{folder}/{i // 500}/{i}", len(data), io.BytesIO(data)


def all_jobs(c, quick, others_alone):
    """All of them, on the first input, all, or the others."""
    if not others_alone:
        on_big(c)
    if quick:
        return
    c.rounds = min(c.rounds, 2)
    # Each with what a build might do to its files: some gone, some changed, one with another mode.
    inputs = [
        ("100,000 files", "small", lambda: [small_files(100_000)], "rm -rf files/3 && echo changed > files/0/1 && chmod 600 files/0/2"),
        ("60 layers", "deep", lambda: [small_files(300, 300 * i, f"layer{i}") for i in range(60)],
         "rm -rf layer3 && echo changed > layer0/0/1 && chmod 600 layer0/0/2"),
        ("one layer of 4 GB", "huge", lambda: [[("data", 4 << 30, Chunks(4 << 30, 7))]], "chmod 600 data"),
    ]
    for shown, stem, layers, change in inputs:
        if c.inputs and not any(word in shown for word in c.inputs):
            continue
        path = c.work / f"{stem}.tar"
        entries = layers()
        make_archive(path, entries, f"bench/{stem}:1")
        one = Input(c, shown, path, f"bench/{stem}:1", change, len(entries))
        for job in [documents, verify, load, save, gzip_jobs, convert, export, make_images]:
            job(c, one)
        if stem == "small":
            compare_files(c, one)
        one.remove()


def on_big(c):
    big = Input(c, "big 1.1 GB", c.corpus / "big.tar", "corpus/big:1", "rm -rf usr/share/perl && echo changed > etc/issue && chmod 600 etc/hostname",
                6, (c.corpus / "oci", "big"))
    for job in [documents, verify, load, save, gzip_jobs, convert, export, make_images]:
        job(c, big)
    airgap.on_big(c, big)
    search.on_big(c, big)
    for job in [compare, known_layers, start_up]:
        job(c)


class Input:
    """A docker-archive; change: what is done to its files before they are committed; layers: how many it has; packed: a layout
    that has it in gzip, and the tag there."""

    def __init__(self, c, shown, path, name, change, layers, packed=None):
        self.shown, self.path, self.name, self.change, self.layers, self.packed = shown, path, name, change, layers, packed
        self.made = None if packed else c.work / "layout"

    def layout(self):
        """The layout and the tag, made by skopeo when they are wanted for the first time."""
        if not self.packed:
            sh(f"rm -rf {self.made}; skopeo --insecure-policy copy -q docker-archive:{self.path} oci:{self.made}:x", check=True)
            self.packed = (self.made, "x")
        return self.packed

    def remove(self):
        sh(f"rm -rf {self.path} {self.made or ''}")


def documents(c, i):
    """What is told of an archive without unpacking it: the documents alone, as skopeo does, and what docker shows, sizes
    included, which has to load the archive first."""
    def engine(words, result=None):
        return Contender("docker load, then ask", f"{c.docker} load -q -i {i.path} && {c.docker} {words}", f"{c.docker} rmi -f {i.name}", result)
    def ids(command, find):
        return lambda: find(json.loads(sh(command, check=True)))
    # skopeo prints the documents, and so does this; the sizes that docker shows are in neither.
    skopeo = f"skopeo --insecure-policy inspect --raw --config docker-archive:{i.path}"
    raw = f"{c.bin}/imginspect --raw config {i.path}"
    same = lambda command: lambda: json.loads(sh(command, check=True))
    c.job("inspect the config", i.shown, Contender("imginspect --raw", raw, result=same(raw)), [Contender("skopeo", skopeo, result=same(skopeo))], [i.path], target=10)
    note = "with the sizes of all layers' files, as docker has them; skopeo, which looks into no layer, is in the row above"
    inspect = f"{c.bin}/imginspect {i.path}"
    layers = lambda found: found[0]["RootFS"]["Layers"]
    c.job("list", i.shown, Contender("imgls", f"{c.bin}/imgls {i.path}"), [engine(f"images {i.name}")], [i.path], target=10, note=note)
    if i.path.name != "big.tar":
        # The others are as the first: what takes its time is the loading.
        sh(f"{c.docker} rmi -f {i.name}")
        return
    c.job("inspect", i.shown, Contender("imginspect", inspect, result=ids(inspect, layers)),
          [engine(f"image inspect {i.name}", ids(f"{c.docker} image inspect {i.name}", layers))], [i.path], target=10, note=note)
    c.job("history", i.shown, Contender("imghistory", f"{c.bin}/imghistory {i.path}"), [engine(f"history {i.name}")], [i.path], target=10, note=note)
    sh(f"{c.docker} rmi -f {i.name}")


def verify(c, i):
    out = f"{c.work}/verify.out"
    # A hash is one core's work.
    cores = min(os.cpu_count(), i.layers)
    c.job("verify", i.shown, Contender("imgverify", f"{c.bin}/imgverify {i.path}"),
          [Contender("skopeo", f"skopeo --insecure-policy copy -q docker-archive:{i.path} dir:{out}", f"rm -rf {out}")], [i.path],
          Contender("openssl sha256, a layer on each core", f"openssl dgst -sha256 {i.path}"), target=2, limit_target=1.3, parts=cores,
          note="the peer verifies by copying: no tool of Debian's does only that")


def loaders(c, i, store, piped):
    from_file = (lambda command, flag: f"cat {i.path} | {command}") if piped else (lambda command, flag: f"{command} {flag} {i.path}".replace("  ", " "))
    ours = f"{c.bin}/imgload -q --store {store}"
    docker = f"{c.docker} image inspect -f '{{{{json .RootFS.Layers}}}}' {i.name}"
    podman = f"{c.podman} image inspect -f '{{{{json .RootFS.Layers}}}}' {i.name}"
    return [
        (Contender("imgload", from_file(ours, "-i"), result=diff_ids(f"oci:{store}")), f"rm -rf {store}"),
        (Contender("docker", from_file(f"{c.docker} load -q", "-i"), result=engine_ids(docker)), f"{c.docker} rmi -f {i.name}"),
        (Contender("podman", from_file(f"{c.podman} load -q", "-i"), result=engine_ids(podman)), f"{c.podman} rmi -f {i.name}"),
        (Contender("skopeo", f"skopeo --insecure-policy copy -q docker-archive:{i.path} oci:{c.work}/skopeo-store:x && sync {c.work}/skopeo-store/blobs/sha256/*", result=diff_ids(f"oci:{c.work}/skopeo-store:x")),
         f"rm -rf {c.work}/skopeo-store"),
    ]


def load(c, i):
    store = f"{c.work}/store"
    copy = f"{c.work}/copy"
    for name, piped, full in [("load", False, False), ("load from a pipe", True, False), ("load again", False, True)]:
        ours, *peers = loaders(c, i, store, piped)
        if piped:
            peers.pop()
        field = []
        for one, empty in [ours, *peers]:
            # Into a full store: what the run before left there, which is made once.
            one.before = "" if full else empty
            field.append(one)
        copying = f"cat {i.path} | cat > {copy}" if piped else f"cp {i.path} {copy}"
        limit = None if full else Contender("cat through a pipe" if piped else "cp", f"{copying} && sync {copy}", f"rm -f {copy}")
        c.job(name, i.shown, field[0], field[1:], [i.path], limit, target=3, limit_target=None if full else 1.3)
    sh(f"rm -rf {copy} {c.work}/skopeo-store")


def save(c, i):
    if not c.any_wanted("save"):
        return
    store = f"{c.work}/store"
    for command in [f"test -d {store} || {c.bin}/imgload -q -i {i.path} --store {store}", f"{c.docker} load -q -i {i.path}", f"{c.podman} load -q -i {i.path}"]:
        sh(command)
    out = lambda who: f"{c.work}/save-{who}.tar"
    def one(who, command):
        path = out(who)
        return Contender(who, command.format(out=path), f"rm -f {path}", diff_ids(f"docker-archive:{path}"))
    sync = " && sync {out}"
    c.job("save", i.shown, one("imgsave", f"{c.bin}/imgsave -q -o {{out}} --store {store} {i.name}"),
          [one("docker", f"{c.docker} save -o {{out}} {i.name}" + sync), one("podman", f"{c.podman} save -q -o {{out}} {i.name}" + sync),
           one("skopeo", f"skopeo --insecure-policy copy -q oci:{store} docker-archive:{{out}}:{i.name}" + sync)],
          [i.path, store, c.work / "engine", c.work / "podman"],
          Contender("cp", f"cp {i.path} {c.work}/copy && sync {c.work}/copy", f"rm -f {c.work}/copy"), target=3, limit_target=1.3)
    # The engines are empty for the next input.
    sh(f"rm -rf {store} {c.work}/copy; {c.docker} rmi -f {i.name}; {c.podman} rmi -f {i.name}")


def gzip_jobs(c, i):
    if not c.any_wanted("save uncompressed from gzip") and not c.any_wanted("verify gzip"):
        return
    layout, tag = i.layout()
    source = f"oci:{layout}:{tag}"
    out = f"{c.work}/plain-"
    def one(who, command):
        return Contender(who, command.format(out=f"{out}{who}.tar"), f"rm -f {out}{who}.tar", diff_ids(f"docker-archive:{out}{who}.tar"))
    layers = json.loads(sh(f"skopeo --insecure-policy inspect --raw {source}", check=True))["layers"]
    blobs = " ".join(f"{layout}/blobs/sha256/{layer['digest'][7:]}" for layer in layers)
    unpacker = "igzip -dc" if sh("command -v igzip") else "pigz -dc"
    c.job("save uncompressed from gzip", i.shown, one("imgsave", f"{c.bin}/imgsave -q --format docker --compression none -o {{out}} {source}"),
          [one("skopeo", f"skopeo --insecure-policy copy -q {source} docker-archive:{{out}}:{i.name} && sync {{out}}")], [layout],
          Contender(f"{unpacker.split()[0]}, a layer on each core", f"echo {blobs} | xargs -n 1 -P {os.cpu_count()} {unpacker} >/dev/null"), target=3)
    store = f"{c.work}/gzip-store"
    c.job("verify gzip", i.shown, Contender("imgverify", f"{c.bin}/imgverify {source}"),
          [Contender("skopeo", f"skopeo --insecure-policy copy -q --dest-decompress {source} dir:{store}", f"rm -rf {store}")], [layout],
          Contender(f"{unpacker.split()[0]}, a layer on each core", f"echo {blobs} | xargs -n 1 -P {os.cpu_count()} {unpacker} >/dev/null"), target=2,
          note="the peer decodes while it copies; copying alone verifies no diff ID")
    sh(f"rm -rf {store} {out}*")


def convert(c, i):
    rows = [
        # What each does when nobody says a level, and the level at which the sizes are the same within 3 %.
        ("gzip", "", "pigz -6", None, "without a word on levels"),
        ("gzip", " --level 2", None, 3, "at the peer's size"),
        ("zstd", "", "zstd -q -3 -T0 -c", 3, "without a word on levels"),
    ]
    for codec, level, limit, target, how in rows:
        out = lambda who: f"{c.work}/{codec}-{who}.tar"
        def one(who, command):
            return Contender(who, command.format(out=out(who)), f"rm -f {out(who)}", diff_ids(f"oci-archive:{out(who)}"))
        sizes = {}
        ours = one("imgconvert", f"{c.bin}/imgconvert -q --force --compression {codec}{level} {i.path} oci-archive:{{out}}:x")
        theirs = one("skopeo", f"skopeo --insecure-policy copy -q --dest-compress-format {codec} docker-archive:{i.path} oci-archive:{{out}}:x && sync {{out}}")
        for who, contender in [("imgconvert", ours), ("skopeo", theirs)]:
            contender.result = measured(contender.result, out(who), who, sizes)
        packed = limit and Contender(limit.split()[0] + " of the tar", f"{limit} < {i.path} > {c.work}/packed", f"rm -f {c.work}/packed")
        c.job(f"convert to {codec}{level}", i.shown, ours, [theirs], [i.path], packed, target=target, note=compared_sizes(sizes, how))
    sh(f"rm -f {c.work}/packed")


def compared_sizes(sizes, how):
    """What the note says of both outputs, once they were measured."""
    def read():
        if len(sizes) < 2:
            return how
        mine, other = sizes["imgconvert"], sizes["skopeo"]
        return f"{mine:,} bytes, the peer's {other:,} ({mine / other - 1:+.1%}), {how}"
    return read


def measured(result, path, who, sizes):
    def read():
        sizes[who] = os.stat(path).st_size
        return result()
    return read


def export(c, i):
    if not c.any_wanted("export"):
        return
    sh(f"{c.docker} load -q -i {i.path}")
    container = sh(f"{c.docker} create --network none {i.name} /x") if c.has_docker else "none"
    out = lambda who: f"{c.work}/export-{who}.tar"
    def one(who, command):
        return Contender(who, command.format(out=out(who)), f"rm -f {out(who)}", tar_rows(out(who)))
    copied = Contender("cp", f"cp {c.work}/reference.tar {c.work}/copy && sync {c.work}/copy", f"rm -f {c.work}/copy")
    sh(f"{c.bin}/imgexport -q -o {c.work}/reference.tar {i.path}", check=True)
    docker = [one("docker", f"{c.docker} export -o {{out}} {container} && sync {{out}}")]
    c.job("export to a tar", i.shown, one("imgexport", f"{c.bin}/imgexport -q -o {{out}} {i.path}"), docker, [i.path, c.work / "reference.tar", c.work / "engine"], copied, target=2, limit_target=1.3)
    if c.any_wanted("export to a tar from gzip") or c.any_wanted("export to a directory from gzip"):
        layout, tag = i.layout()
    if c.wanted("export to a tar from gzip"):
        c.job("export to a tar from gzip", i.shown, one("imgexport", f"{c.bin}/imgexport -q -o {{out}} oci:{layout}:{tag}"),
              [one("docker", f"{c.docker} export -o {{out}} {container} && sync {{out}}")], [layout, c.work / "engine"],
              note="the peer reads what it decoded when it loaded the image")
    if c.has_docker:
        sh(f"{c.docker} rm -f {container}; {c.docker} rmi -f {i.name}")
    sh(f"rm -f {c.work}/copy {c.work}/export-*.tar")
    if c.wanted("export to a directory from gzip"):
        target = f"{c.work}/root"
        ours = Contender("imgexport", f"{c.bin}/imgexport -q -C {target}-imgexport oci:{layout}:{tag}", c.away(f"{target}-imgexport"), unpacked(f"{target}-imgexport"))
        umoci = Contender("umoci", f"umoci unpack --image {layout}:{tag} {target}-umoci && sync -f {target}-umoci", c.away(f"{target}-umoci"), unpacked(f"{target}-umoci/rootfs"))
        tar = Contender("tar -x of the export", f"mkdir {target}-tar && tar -xpf {c.work}/reference.tar -C {target}-tar && sync -f {target}-tar", c.away(f"{target}-tar"))
        c.job("export to a directory from gzip", i.shown, ours, [umoci], [layout, c.work / "reference.tar"], tar, target=2)
    sh(f"rm -f {c.work}/reference.tar")


def make_images(c, i):
    root = c.work / "rootfs.tar"
    shown = f"rootfs of {i.shown}"
    if c.any_wanted("import"):
        sh(f"{c.bin}/imgexport -q -o {root} {i.path}", check=True)
    store = f"{c.work}/store"
    layers = "image inspect -f '{{json .RootFS.Layers}}' bench/imported:1"
    c.job("import", shown, Contender("imgimport", f"{c.bin}/imgimport -q --store {store} {root} bench/imported:1", f"rm -rf {store}", diff_ids(f"oci:{store}")),
          [Contender("docker", f"{c.docker} import {root} bench/imported:1", f"{c.docker} rmi -f bench/imported:1", engine_ids(f"{c.docker} {layers}")),
           Contender("podman", f"{c.podman} import -q {root} bench/imported:1", f"{c.podman} rmi -f bench/imported:1", engine_ids(f"{c.podman} {layers}"))], [root],
          Contender("cp", f"cp {root} {c.work}/copy && sync {c.work}/copy", f"rm -f {c.work}/copy"), target=3)
    sh(f"rm -rf {store} {root} {c.work}/copy")
    if not c.any_wanted("commit"):
        return
    source, tag = i.layout()
    layout, bundle = c.work / "commit-oci", c.work / "bundle"
    sh(f"rm -rf {layout} {bundle}; skopeo --insecure-policy copy -q oci:{source}:{tag} oci:{layout}:x && umoci unpack --image {layout}:x {bundle}", check=True)
    # Both add an image to a layout: ours is the store.
    sh(f"{c.bin}/imgload -q --store {store} -i oci:{layout}:x", check=True)
    # What a build would do: some files more, some less, some changed.
    sh(f"cd {bundle}/rootfs && mkdir -p opt/new && for i in $(seq 500); do echo $i > opt/new/$i; done && {i.change}", check=True)
    cache = c.work / "commit-cache"
    for name, flag, note in [
        ("commit", "", "umoci compares with what it noted of each file when it unpacked them, imgcommit with the image itself"),
        ("commit with --cache", f"--cache {cache} ", "both compare with what was noted of each file before"),
    ]:
        ours = f"{c.bin}/imgcommit -q {flag}--store {store} --base x --compression gzip {bundle}/rootfs bench/committed:1"
        away = f"{c.bin}/imgrm --store {store} bench/committed:1; {c.bin}/imgprune -f --store {store}"
        if flag:
            sh(ours)
        c.job(name, f"{i.shown}, 500 files changed", Contender("imgcommit", ours, away, last_layer(store, "bench/committed:1")),
              [Contender("umoci", f"umoci repack --image {layout}:new {bundle} && sync {layout}/blobs/sha256/*", f"umoci rm --image {layout}:new", last_layer(layout, "new"))],
              [layout, bundle, store, *([cache] if flag else [])], target=3, note=note)
    sh(f"rm -rf {layout} {bundle} {store} {cache}")


def changed_paths(command):
    """What imgdiff found: paths added, deleted, and changed in their contents."""
    def read():
        done = subprocess.run(command, shell=True, capture_output=True, env=ENV)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        rows = [row for row in rows if row.get("Type") == "path"]
        of = lambda letter: sorted(row["Path"].strip("/") for row in rows if row["Change"] == letter)
        is_file = lambda row: all((row[side] or {}).get("Kind") == "file" for side in ["Old", "New"])
        changed = [row for row in rows if row["Change"] == "C" and is_file(row) and {"content", "size"} & set(row["Fields"])]
        return digest({"A": of("A"), "D": of("D"), "C": sorted(row["Path"].strip("/") for row in changed)})
    return read


def compared_by_hand(top):
    def read():
        a, b = folder_rows(f"{top}/a/rootfs"), folder_rows(f"{top}/b/rootfs")
        changed = [name for name in a.keys() & b.keys() if stat.S_ISREG(a[name][0]) and stat.S_ISREG(b[name][0]) and a[name][7] != b[name][7]]
        return digest({"A": sorted(b.keys() - a.keys()), "D": sorted(a.keys() - b.keys()), "C": sorted(changed)})
    return read


def pair(c, name, shown, a, b, images, reads):
    """Two images compared: a and b as umoci names them, images as imgdiff does."""
    top = f"{c.work}/by-hand"
    by_hand = (f"umoci unpack --image {a} {top}/a && umoci unpack --image {b} {top}/b && "
               f"{{ diff -rq --no-dereference {top}/a/rootfs {top}/b/rootfs >/dev/null; true; }}")
    c.job(name, shown, Contender("imgdiff", f"{c.bin}/imgdiff {images}", result=changed_paths(f"{c.bin}/imgdiff --format json {images}"), codes=(0, 1)),
          [Contender("umoci unpack twice, diff -rq", by_hand, f"{c.away(top)}; mkdir {top}", compared_by_hand(top))], reads, target=10,
          note="no tool of Debian's compares images: this is what is done by hand, and it tells less")
    sh(c.away(top))


def compare_files(c, i):
    """An image of many files with one in which a hundredth of them is gone and as many are new."""
    if not c.any_wanted("diff"):
        return
    other, layout = c.work / "other.tar", c.work / "pair"
    make_archive(other, [small_files(100_000, 1000)], "bench/other:1")
    for path, tag in [(i.path, "a"), (other, "b")]:
        sh(f"skopeo --insecure-policy copy -q docker-archive:{path} oci:{layout}:{tag}", check=True)
    pair(c, "diff", i.shown, f"{layout}:a", f"{layout}:b", f"{i.path} {other}", [i.path, other, layout])
    sh(f"rm -rf {other} {layout}")


def compare(c):
    if c.any_wanted("diff"):
        # The second classic image as umoci wants it.
        layout = c.work / "classic2-oci"
        sh(f"test -d {layout} || skopeo --insecure-policy copy -q docker-archive:{c.corpus}/classic2.tar oci:{layout}:classic2", check=True)
    oci = f"{c.corpus}/oci"
    reads = [c.corpus / name for name in ["classic.tar", "classic2.tar", "big.tar", "oci"]]
    pairs = [
        ("diff of near images", "classic 240 MB, classic2", f"{oci}:classic", f"{c.work}/classic2-oci:classic2", "", f"{c.corpus}/classic.tar {c.corpus}/classic2.tar"),
        ("diff of near images in gzip", "classic 240 MB, classic2", f"{oci}:classic", f"{c.work}/classic2-oci:classic2", "oci:", None),
        ("diff of unrelated images", "classic 240 MB, big 1.1 GB", f"{oci}:classic", f"{oci}:big", "", f"{c.corpus}/classic.tar {c.corpus}/big.tar"),
        ("diff of unrelated images in gzip", "classic 240 MB, big 1.1 GB", f"{oci}:classic", f"{oci}:big", "oci:", None),
    ]
    for name, shown, a, b, prefix, plain in pairs:
        pair(c, name, shown, a, b, plain or f"{prefix}{a} {prefix}{b}", reads)
    sh(f"rm -rf {c.work}/classic2-oci")
    archives = " ".join(str(c.corpus / name) for name in ["classic.tar", "classic2.tar", "buildkit.tar", "big.tar", "multi.tar"])
    if c.wanted("graph"):
        sh(f"{c.podman} load -q -i {c.corpus}/multi.tar")
    c.job("graph of many images", "5 archives, 2.1 GB", Contender("imggraph", f"{c.bin}/imggraph {archives}"),
          [Contender("podman", f"{c.podman} image tree corpus/classic:1")], reads,
          note="the peer draws one image that was loaded before")
    if c.wanted("graph"):
        sh(f"{c.podman} rmi -fa")


def known_layers(c):
    """What --cache is for: the second run."""
    cache = f"{c.work}/cache"
    oci = f"oci:{c.corpus}/oci"
    for name, shown, command, codes in [
        ("one path with --cache", "big 1.1 GB in gzip", f"imgexport {{}} -q -o {c.work}/path.tar {oci}:big etc/passwd usr/bin/gcc-12", (0,)),
        ("diff with --cache", "classic 240 MB, big 1.1 GB, in gzip", f"imgdiff {{}} {oci}:classic {oci}:big", (0, 1)),
    ]:
        if not c.wanted(name):
            continue
        with_cache = f"{c.bin}/" + command.format(f"--cache {cache}")
        without = f"{c.bin}/" + command.format("").replace("  ", " ")
        sh(f"rm -rf {cache}; {with_cache}")
        if "path.tar" in command:
            result = lambda: hashlib.sha256(Path(f"{c.work}/path.tar").read_bytes()).hexdigest()
            results = [result, result]
        else:
            results = [lambda one=one: hashlib.sha256(subprocess.run(one, shell=True, capture_output=True, env=ENV).stdout).hexdigest() for one in [with_cache, without]]
        c.job(name, shown, Contender("with", with_cache, f"rm -f {c.work}/path.tar", results[0], codes),
              [Contender("without", without, f"rm -f {c.work}/path.tar", results[1], codes)], [c.corpus / "oci", cache], target=10)
    sh(f"rm -rf {cache} {c.work}/path.tar")


def start_up(c):
    """How long the slowest program takes to start and end, and what all of them take on the disk."""
    if not c.wanted("start"):
        return
    programs = sorted(path for path in c.bin.glob("img*") if path.is_file() and os.access(path, os.X_OK))
    if not programs:
        raise Trouble(f"no programs in {c.bin}")
    times = {}
    for program in programs:
        notes = c.work / "hyperfine.json"
        command = ["hyperfine", "--style", "none", "-N", "--warmup", "5", "--runs", "50", "--export-json", notes, f"{program} --version"]
        subprocess.run(command, env=ENV, stdout=subprocess.DEVNULL, check=True)
        times[program.name] = json.loads(notes.read_text())["results"][0]["median"]
    slowest = max(times, key=times.get)
    installed = sum(program.stat().st_size for program in programs)
    c.fact("start, the slowest program", slowest, times[slowest], times[slowest] < 0.002, f"--version, from fork to exit; wanted: under 2 ms; all of them {min(times.values()) * 1000:.1f} to {times[slowest] * 1000:.1f} ms")
    c.fact("size", f"{len(programs)} programs", 0.0, installed < 60_000_000, f"{installed:,} bytes installed; wanted: under 60,000,000")
