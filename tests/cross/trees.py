#!/usr/bin/env python3
"""The storage of a registry: trees that imgpush fills, served by the real server, and trees that the server filled.

    tests/cross/trees.py           root; needs docker-registry (Debian's package), skopeo, podman, strace
    tests/cross/trees.py --docker  only what docker pulls; DOCKER_HOST is an engine on this machine

The server runs on loopback ports, from a configuration of its own. Clients get every image with the digest that it
had; garbage collection finds nothing to delete; a tree that skopeo pushed has the same files as ours; each part that
the server needs is taken away once, and our programs name it; a program that is killed before any system call leaves
what was there or what it was to make.
"""
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from imgkit import BIN, ENV, Checks, scratch  # noqa: E402

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
V2 = "docker/registry/v2"
# System calls before which programs are killed that change a tree.
KILLED = ("mkdirat", "linkat", "rename", "renameat", "unlink", "unlinkat", "rmdir", "write", "pwrite64", "fsync", "fchmod", "fchown", "syncfs")
ACCEPT = f"{MANIFEST}, {INDEX}, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI layout, written by Python."""

    def __init__(self, path):
        self.path, self.entries = path, []
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, media_type, data):
        name = digest(data)
        (self.path / "blobs/sha256" / name[7:]).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data)}

    def document(self, media_type, **fields):
        return self.blob(media_type, json.dumps({"schemaVersion": 2, "mediaType": media_type, **fields}).encode())

    def image(self, texts, arch="amd64"):
        layers, diff_ids = [], []
        for number, text in enumerate(texts):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as tar:
                member = tarfile.TarInfo(f"file{number}")
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text))
            packed = subprocess.run(["gzip", "-1cn"], input=out.getvalue(), capture_output=True, check=True).stdout
            layers.append(self.blob(LAYER, packed))
            diff_ids.append(digest(out.getvalue()))
        config = {"architecture": arch, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        found = self.document(MANIFEST, config=self.blob(CONFIG, json.dumps(config).encode()), layers=layers)
        return {**found, "platform": {"os": "linux", "architecture": arch}}

    def index(self, manifests):
        return self.document(INDEX, manifests=manifests)

    def referrer(self, subject, kind):
        about = {key: subject[key] for key in ("mediaType", "digest", "size")}
        empty = self.blob("application/vnd.oci.empty.v1+json", b"{}")
        return self.document(MANIFEST, artifactType=kind, config=empty, layers=[self.blob("text/plain", kind.encode())], subject=about)

    def name(self, descriptor, name=None):
        entry = {key: descriptor[key] for key in ("mediaType", "digest", "size")}
        if name:
            entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.entries.append(entry)
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.entries}))


class Server:
    """docker-registry on a tree."""

    def __init__(self, root, work):
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        self.config = work / f"config-{self.host[10:]}.yml"
        self.config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: {self.host}}}\n")

    def __enter__(self):
        self.process = subprocess.Popen(["docker-registry", "serve", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self.host}/v2/").close()
                return self
            time.sleep(0.05)
        raise SystemExit("docker-registry does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path, method="GET"):
        """Status and body of a request below /v2/."""
        request = urllib.request.Request(f"http://{self.host}/v2/{path}", method=method, headers={"Accept": ACCEPT})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def whole(self, name, reference):
        """The digest of what a reference is, after every manifest and blob below it was asked for; None if it is unknown."""
        status, body = self.get(f"{name}/manifests/{reference}")
        if status == 404:
            return None
        if status != 200:
            return f"status {status}"
        document = json.loads(body)
        for child in document.get("manifests", []):
            found = self.whole(name, child["digest"])
            if found != child["digest"]:
                return f"{child['digest']}: {found}"
        for blob in [*document.get("layers", []), *filter(None, [document.get("config")])]:
            status, _ = self.get(f"{name}/blobs/{blob['digest']}", "HEAD")
            if status != 200:
                return f"blob {blob['digest']}: status {status}"
        return digest(body)


def collectable(root, work):
    """What garbage collection would delete, as it says it."""
    config = Server(root, work).config
    done = subprocess.run(["docker-registry", "garbage-collect", "--dry-run", config], capture_output=True, text=True)
    found = re.search(r"(\d+) blobs and (\d+) manifests eligible for deletion", done.stdout + done.stderr)
    return found.group(0) if found else done.stdout + done.stderr


def files(root):
    """Every file of a tree with its content, without uploads and locks."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and "_uploads" not in name and path.name != ".imgkit.lock":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def skopeo(*args):
    return subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True)


def plain(name):
    """An image that skopeo takes: it knows no index below another."""
    return "nested" not in name


def fixtures(work):
    layout = Layout(work / "layout")
    names = {}
    app = layout.image([b"base", b"app"])
    multi = layout.index([layout.image([b"base", b"m1"]), layout.image([b"arm"], "arm64")])
    nested = layout.index([multi, layout.image([b"three"], "s390x")])
    for name, descriptor in {"library/app:1": app, "team/app:1": app, "team/multi:2": multi, "a/b/c/nested:latest": nested}.items():
        layout.name(descriptor, f"docker.io/{name}")
        names[name] = descriptor["digest"]
    referrers = [layout.referrer(app, "application/vnd.example.sbom"), layout.referrer(app, "application/vnd.example.signature")]
    for referrer in referrers:
        layout.name(referrer)
    signature = layout.image([b"signature"])
    tag = app["digest"].replace(":", "-") + ".sig"
    layout.name(signature, f"docker.io/team/app:{tag}")
    names[f"team/app:{tag}"] = signature["digest"]
    return layout, names, referrers


def served(checks, work, layout, names, referrers):
    tree = work / "pushed"
    checks.true("push", checks.run("imgpush", "-q", layout.path, tree).code == 0)
    checks.succeeds("verify what was pushed", checks.run("imgverify", "-q", tree))
    checks.same("garbage collection", collectable(tree, work), "0 blobs and 0 manifests eligible for deletion")
    with Server(tree, work) as server:
        for name, expected in names.items():
            repository, tag = name.rsplit(":", 1)
            checks.same(f"{name} is served whole", server.whole(repository, tag), expected)
            if not plain(name):
                continue
            out = work / "out"
            done = skopeo("copy", "-q", "--all", "--src-tls-verify=false", f"docker://{server.host}/{name}", f"oci:{out}:x")
            checks.true(f"skopeo copies {name}", done.returncode == 0, done.stderr)
            index = json.loads((out / "index.json").read_text())
            checks.same(f"skopeo's digest of {name}", index["manifests"][0]["digest"], expected)
            shutil.rmtree(out)
            done = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{server.host}/{name}")
            checks.same(f"skopeo inspects {name}", digest(done.stdout.encode()), expected)
        fallback = names["team/app:1"].replace(":", "-")
        for repository in ("library/app", "team/app"):
            status, body = server.get(f"{repository}/manifests/{fallback}")
            found = [entry["digest"] for entry in json.loads(body)["manifests"]] if status == 200 else status
            checks.same(f"referrers of {repository}", found, sorted(referrer["digest"] for referrer in referrers))
        podman = ["podman", "--root", work / "podman", "--runroot", work / "podman-run", "--storage-driver", "vfs"]
        for name in ("library/app:1", "team/multi:2"):
            done = subprocess.run([*podman, "pull", "-q", "--tls-verify=false", f"{server.host}/{name}"], capture_output=True, text=True)
            checks.true(f"podman pulls {name}", done.returncode == 0, done.stderr)
            done = subprocess.run([*podman, "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", f"{server.host}/{name}"], capture_output=True, text=True)
            checks.true(f"podman's digest of {name}", names[name] in done.stdout, done.stdout + done.stderr)
        # A tag that is pushed while the server runs is there at once, and the old digest stays known.
        other = Layout(work / "other")
        new = other.image([b"base", b"newer"])
        other.name(new, "docker.io/library/app:1")
        fresh = json.loads((other.path / "blobs/sha256" / new["digest"][7:]).read_text())["layers"][1]["digest"]
        # The server remembers no absence.
        checks.same("a blob before its push", server.get(f"library/app/blobs/{fresh}", "HEAD")[0], 404)
        checks.same("a manifest before its push", server.get(f"library/app/manifests/{new['digest']}")[0], 404)
        checks.true("push beside the server", checks.run("imgpush", "-q", other.path, tree).code == 0)
        checks.same("the new image is served", server.whole("library/app", "1"), new["digest"])
        checks.same("and the old one by digest", server.whole("library/app", names["library/app:1"]), names["library/app:1"])
    checks.same("garbage collection afterwards", collectable(tree, work), "0 blobs and 0 manifests eligible for deletion")


def pulled_by_docker(checks, work, layout, names):
    """What an engine gets from a tree that imgpush filled."""
    tree = work / "pushed"
    checks.true("push", checks.run("imgpush", "-q", layout.path, tree).code == 0)
    with Server(tree, work) as server:
        for name in ("library/app:1", "team/app:1", "team/multi:2", "a/b/c/nested:latest"):
            image = f"{server.host}/{name}"
            done = subprocess.run(["/usr/bin/docker", "pull", "-q", image], capture_output=True, text=True)
            if not plain(name):
                # As skopeo: no index below another.
                checks.true("docker names what it cannot pull", done.returncode != 0)
                continue
            checks.true(f"docker pulls {name}", done.returncode == 0, done.stderr)
            done = subprocess.run(["/usr/bin/docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image], capture_output=True, text=True)
            found = json.loads(done.stdout or "[]")
            checks.true(f"docker's digest of {name}", f"{image.rsplit(':', 1)[0]}@{names[name]}" in found, done.stdout + done.stderr)
            subprocess.run(["/usr/bin/docker", "image", "rm", "-f", image], capture_output=True)


def filled(checks, work, layout, names):
    """A tree that skopeo filled through the server."""
    tree = work / "filled"
    tree.mkdir()
    with Server(tree, work) as server:
        for name in filter(plain, names):
            done = skopeo("copy", "-q", "--all", "--dest-tls-verify=false", f"oci:{layout.path}:docker.io/{name}", f"docker://{server.host}/{name}")
            checks.true(f"skopeo pushes {name}", done.returncode == 0, done.stderr)
    rows = checks.run("imgls", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}", tree)
    found = dict(line.split() for line in rows.out.decode().splitlines())
    expected = {name: value for name, value in names.items() if plain(name)}
    checks.same("digests of skopeo's tree", found, expected)
    run = checks.run("imgverify", "-q", tree)
    checks.succeeds("verify skopeo's tree", run)
    for name, command in {
        "plain": ["tar", "-C", tree, "-cf", "-", "."],
        "with the directories above it": ["tar", "-C", "/", "-cf", "-", str(tree.resolve())[1:]],
    }.items():
        tar = work / "tree.tar"
        tar.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
        rows = checks.run("imgls", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}", tar)
        checks.same(f"digests in a tar, {name}", dict(line.split() for line in rows.out.decode().splitlines()), expected)
        checks.succeeds(f"verify a tar, {name}", checks.run("imgverify", "-q", tar))
    ours = work / "ours"
    pushed = [f"{layout.path}:docker.io/{name}" for name in filter(plain, names)]
    checks.true("push the same", checks.run("imgpush", "-q", "--no-referrers", *pushed, ours).code == 0)
    checks.same("files of both trees", files(ours), files(tree))
    run = checks.run("imgpush", "-q", "--format", "json", "--no-referrers", *pushed, tree)
    checks.same("nothing new for skopeo's tree", {row["BlobsNew"] for row in run.rows()}, {0})
    run = checks.run("imgsave", "-q", "-o", work / "saved.tar", f"{tree}:team/multi:2")
    checks.succeeds("save from skopeo's tree", run)
    run = checks.run("imgls", "--format", "{{.Digest}}", work / "saved.tar")
    checks.same("digest of the saved image", run.out.decode().strip(), names["team/multi:2"])
    return tree


def directories(checks, work, layout, names, tree):
    """Directories of images: what skopeo sync writes is read, and what is written is read by skopeo."""
    synced, scoped = work / "synced", work / "scoped"
    wanted = {name: value for name, value in names.items() if plain(name) and name.startswith("team/")}
    with Server(tree, work) as server:
        for repository in sorted({name.rsplit(":", 1)[0] for name in wanted}):
            for target, options in ((synced, []), (scoped, ["--scoped"])):
                done = skopeo("sync", "--all", "--src-tls-verify=false", *options, "--src", "docker", "--dest", "dir", f"{server.host}/{repository}", target)
                checks.true(f"skopeo syncs {repository} to {target.name}", done.returncode == 0, done.stderr)
        host = server.host

    def listed(place):
        rows = checks.run("imgls", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}", place).out.decode()
        return dict(line.split() for line in rows.splitlines())

    checks.same("digests of skopeo's directory", listed(synced), {name.removeprefix("team/"): value for name, value in wanted.items()})
    found = listed(f"dir-tree:{scoped}")
    checks.same("digests of skopeo's scoped directory", sorted(found.values()), sorted(wanted.values()))
    checks.true("names of skopeo's scoped directory", all(host.split(":")[0] in name or "/team/" in name for name in found), str(found))
    checks.succeeds("verify skopeo's directories", checks.run("imgverify", "-q", synced, scoped))

    tar = work / "synced.tar"
    tar.write_bytes(subprocess.run(["tar", "-C", synced, "-cf", "-", "."], capture_output=True, check=True).stdout)
    checks.same("digests of skopeo's directory in a tar", listed(tar), listed(synced))
    checks.succeeds("verify skopeo's directory in a tar", checks.run("imgverify", "-q", tar))

    source = [f"{layout.path}:docker.io/{name}" for name in wanted]
    ours, zot, back = work / "our-dirs", work / "our-layouts", work / "back"
    for image in source:
        for target in (f"dir-tree:{ours}", f"layout-tree:{zot}"):
            checks.succeeds(f"convert {image.rsplit('/', 1)[1]} to {target.split(':')[0]}", checks.run("imgconvert", "-q", image, target))
    checks.same("digests of our directory", listed(ours), wanted)
    checks.same("digests of our layouts", listed(zot), wanted)
    checks.succeeds("verify our directories", checks.run("imgverify", "-q", ours, zot))
    back.mkdir()
    with Server(back, work) as server:
        done = skopeo("sync", "--all", "--dest-tls-verify=false", "--src", "dir", "--dest", "docker", ours, f"{server.host}/in")
        checks.true("skopeo syncs our directory", done.returncode == 0, done.stderr)
        for name, expected in wanted.items():
            repository, tag = name.rsplit(":", 1)
            checks.same(f"{name} after skopeo sync", server.whole(f"in/{repository.rsplit('/', 1)[1]}", tag), expected)
    for name, expected in wanted.items():
        repository, tag = name.rsplit(":", 1)
        done = skopeo("inspect", "--raw", f"oci:{zot}/{repository}:{tag}")
        checks.same(f"skopeo inspects our layout of {name}", digest(done.stdout.encode()), expected)


def taken_away(checks, work, tree, names):
    """Each row of the table of parts that the server needs."""
    multi = names["team/multi:2"]
    repository = f"{V2}/repositories/team"

    def document(name):
        return json.loads((tree / V2 / f"blobs/sha256/{name[7:9]}/{name[7:]}/data").read_text())

    child = document(multi)["manifests"][0]["digest"]
    config = document(names["team/app:1"])["config"]["digest"]
    layer = document(names["team/app:1"])["layers"][0]["digest"]
    rows = [
        ("history of a tag", f"multi/_manifests/tags/2/index", "team/multi/manifests/2", 200, "tag-without-index", 0),
        ("uploads", f"multi/_uploads", "team/multi/manifests/2", 200, None, 0),
        ("link of a config", f"app/_layers/sha256/{config[7:]}/link", f"team/app/blobs/{config}", 404, "missing-link", 1),
        ("all links of layers", f"app/_layers", f"team/app/blobs/{layer}", 404, "missing-link", 1),
        ("revision of a child", f"multi/_manifests/revisions/sha256/{child[7:]}/link", f"team/multi/manifests/{child}", 404, "missing-link", 1),
        ("link of a tag", f"app/_manifests/tags/1/current/link", "team/app/manifests/1", 404, None, 0),
    ]
    for what, path, request, status, code, verdict in rows:
        less = work / "less"
        shutil.copytree(tree, less)
        gone = less / repository / path
        if gone.is_dir():
            shutil.rmtree(gone)
        elif gone.exists():
            gone.unlink()
        with Server(less, work) as server:
            checks.same(f"without {what}: the server", server.get(request)[0], status)
            if code == "missing-link":
                name = "team/multi:2" if what == "revision of a child" else "team/app:1"
                done = skopeo("copy", "-q", "--all", "--src-tls-verify=false", f"docker://{server.host}/{name}", f"dir:{work / 'pulled'}")
                checks.true(f"without {what}: a pull fails", done.returncode != 0, done.stdout)
                shutil.rmtree(work / "pulled", ignore_errors=True)
            if what == "all links of layers":
                checks.same("manifests are served", server.get("team/app/manifests/1")[0], 200)
                listed = json.loads(server.get("_catalog")[1])["repositories"]
                checks.same("the catalog", "team/app" in listed, False)
            if what == "revision of a child":
                checks.same("the index is served", server.get("team/multi/manifests/2")[0], 200)
            if what == "link of a tag":
                listed = json.loads(server.get("team/app/tags/list")[1])["tags"]
                checks.same("the tag is listed", "1" in listed, True)
                run = checks.run("imgls", "-q", f"{less}:team/app:1")
                checks.same("imgls finds no such tag", run.code, 2)
        run = checks.run("imgverify", "--format", "json", less)
        found = {row["Code"] for row in run.rows() if "Code" in row} - {"gc-would-remove"}
        checks.same(f"without {what}: imgverify", (run.code, code in found if code else not found), (verdict, True), run)
        shutil.rmtree(less)
    # A newline in a link of a layer.
    less = work / "less"
    shutil.copytree(tree, less)
    link = less / repository / f"app/_layers/sha256/{layer[7:]}/link"
    link.write_text(layer + "\n")
    with Server(less, work) as server:
        checks.same("with a newline: the server", server.get(f"team/app/blobs/{layer}")[0], 500)
    run = checks.run("imgverify", "--format", "json", less)
    checks.true("with a newline: imgverify", "link-newline" in [row.get("Code") for row in run.rows()], run.err)
    shutil.rmtree(less)


def killed(checks, work, layout, names):
    """Programs that change a tree, killed before each system call that writes."""
    other = Layout(work / "newer")
    new = other.index([other.image([b"base", b"k1"]), other.image([b"k2"], "arm64")])
    other.name(new, "docker.io/team/multi:2")
    before = work / "before"
    checks.true("push before kills", checks.run("imgpush", "-q", layout.path, before).code == 0)
    # What only a removed tag needs, and an image that is replaced.
    checks.true("a push that leaves an image untagged", checks.run("imgpush", "-q", other.path, before).code == 0)
    checks.true("a tag is removed", checks.run("imgrm", f"{before}:a/b/c/nested").code == 0)
    empty = work / "empty"
    empty.mkdir()
    own = work / "source"
    shutil.copytree(other.path, own)
    tree = work / "killed"
    tree.mkdir()
    old, app = names["team/multi:2"], names["library/app:1"]
    old_tree = work / "old"
    checks.true("push of the old image", checks.run("imgpush", "-q", layout.path, old_tree).code == 0)
    multi, kept = ("team/multi", "2"), ("library/app", "1")
    lines = [
        # What is there before; the program; what the server has of which image before and afterwards.
        (old_tree, ["imgpush", "-q", other.path, tree], {multi: (old, new["digest"]), kept: (app, app)}),
        (empty, ["imgpush", "-q", other.path, tree], {multi: (None, new["digest"])}),
        (old_tree, ["imgpush", "-q", "--link", own, tree], {multi: (old, new["digest"])}),
        (before, ["imgtag", f"{tree}:library/app:1", "team/fresh:1"], {("team/fresh", "1"): (None, app), kept: (app, app)}),
        (before, ["imgrm", f"{tree}:team/multi:2"], {multi: (new["digest"], None), kept: (app, app)}),
        (before, ["imgprune", "--all", "--force", tree], {multi: (new["digest"], new["digest"]), kept: (app, app)}),
    ]
    with Server(tree, work) as server:
        for start, command, images in lines:
            what = " ".join([command[0], *(word for word in command[1:] if isinstance(word, str) and word.startswith("--"))])
            ends, kills = kill_everywhere(checks, server, start, command, images, what)
            checks.true(f"{what}: it was killed", kills > 5, str(kills))
            for image, (first, last) in images.items():
                checks.same(f"{what}: {image[0]}:{image[1]} was both", ends[image], {first, last})
    # Files that were linked are the source's own, and stay.
    checks.succeeds("the source of links is as it was", checks.run("imgverify", "-q", own))


def kill_everywhere(checks, server, before, command, images, what):
    """Kills a program before each call; after each kill, every image is old or new, and a second run completes."""
    tree, kills = server.root, 0
    ends = {image: set() for image in images}
    program = [BIN / command[0], *command[1:]]
    # Where a tag moves, also while it reads.
    for call in [*KILLED, *(["openat"] if command[0] == "imgpush" and "--link" not in command and before.name == "old" else [])]:
        # The first of a kind differ most; of those that repeat themselves every third will do.
        for when in [*range(1, 16), *range(16, 400, 3)]:
            # The server has the directory open by its path only.
            shutil.rmtree(tree)
            shutil.copytree(before, tree)
            strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={when}"]
            code = subprocess.run([*strace, *program], env={**ENV, "RAYON_NUM_THREADS": "1"}, capture_output=True).returncode
            good = True
            for image, either in images.items():
                found = server.whole(*image)
                ends[image].add(found)
                good &= checks.true(f"{what}: {image[0]}:{image[1]}, killed at {call} {when}", found in either, str(found))
            if code == 0 or not good:
                break
            kills += 1
            if when > 12 and call == "openat":
                # Most of them are of libraries and of reading.
                continue
            run = checks.run(*command)
            # A tag that is gone cannot be removed again.
            done = {0, 2} if command[0] == "imgrm" else {0}
            checks.true(f"{what}: again after {call} {when}", run.code in done, run.err)
            for image, (_, last) in images.items():
                checks.same(f"{what}: {image[0]}:{image[1]} again after {call} {when}", server.whole(*image), last, run)
            if when % 4 == 1:
                run = checks.run("imgverify", "-q", tree)
                checks.true(f"{what}: the tree is sound after {call} {when}", run.code == 0, run.err)
    return ends, kills


def pruned(checks, work, layout, names):
    """What imgprune leaves: the server serves it, and finds nothing more to delete."""
    tree = work / "pruned"
    checks.true("push before a prune", checks.run("imgpush", "-q", layout.path, tree).code == 0)
    checks.true("a tag is added", checks.run("imgtag", f"{tree}:team/app:1", "team/new:9").code == 0)
    checks.true("a tag is removed", checks.run("imgrm", f"{tree}:a/b/c/nested").code == 0)
    with Server(tree, work) as server:
        checks.same("the server does not know the tag", server.get("a/b/c/nested/manifests/latest")[0], 404)
        checks.same("the new tag is served", server.whole("team/new", "9"), names["team/app:1"])
    run = checks.run("imgprune", "--all", "--force", tree)
    checks.true("prune", run.code == 0, run.err)
    checks.same("garbage collection after a prune", collectable(tree, work), "0 blobs and 0 manifests eligible for deletion")
    checks.succeeds("verify what is left", checks.run("imgverify", "-q", tree))
    with Server(tree, work) as server:
        for name in names.keys() - {"a/b/c/nested:latest"}:
            checks.same(f"{name} is served after a prune", server.whole(*name.rsplit(":", 1)), names[name])
        gone = json.loads((layout.path / "blobs/sha256" / names["a/b/c/nested:latest"][7:]).read_text())["manifests"][1]["digest"]
        checks.same("what only the removed tag needed is gone", server.get(f"a/b/c/nested/manifests/{gone}")[0], 404)
    checks.true("its blob too", not (tree / V2 / f"blobs/sha256/{gone[7:9]}/{gone[7:]}/data").exists())


def main():
    for tool in ("docker-registry", "skopeo", "podman", "strace"):
        if not shutil.which(tool):
            raise SystemExit(f"trees: {tool} is missing")
    checks = Checks("trees")
    with scratch("trees") as work:
        work = Path(work)
        layout, names, referrers = fixtures(work)
        if sys.argv[1:] == ["--docker"]:
            pulled_by_docker(checks, work, layout, names)
            return checks.done()
        served(checks, work, layout, names, referrers)
        tree = filled(checks, work, layout, names)
        directories(checks, work, layout, names, tree)
        taken_away(checks, work, tree, names)
        pruned(checks, work, layout, names)
        killed(checks, work, layout, names)
    checks.done()


if __name__ == "__main__":
    main()
