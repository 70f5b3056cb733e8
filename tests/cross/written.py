#!/usr/bin/env python3
"""What imgsave and imgconvert write, read by docker, podman, skopeo and umoci.

    tests/cross/written.py [CORPUS [NAME…]]  a folder as make-corpus makes it; nothing in it is changed. All that it has, or those

A matrix: each archive of testdata/foreign, or of the corpus, goes through the store and comes out in every format, and
each format is given to the tools that read it. What the image is, is read from the original archive in Python; then its
ID, its tags, the bytes of its config and the diff IDs of its layers are compared. Which tool is asked about which cell
of the large archives is chosen so that every format meets every tool that reads it, once with each kind of input.

docker is asked through a private engine of its own, which knows none of the layers, so that it has to read them; where
none can be started, through DOCKER_HOST.
"""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from pathlib import Path

from imgkit import REPO, Checks, fresh, scratch, short_name

checks = Checks("written")
FOREIGN = REPO / "testdata/foreign"
SMALL = ["docker-classic.tar", "docker-buildkit.tar", "podman-docker.tar", "podman-oci.tar", "skopeo-oci.tar",
         "skopeo-oci-zstd.tar", "buildah-oci.tar", "containerd-docker-types.tar"]
# What reads each format; docker's engine here is that of Debian, which takes docker-archives alone.
READERS = {
    "docker": {"docker", "podman", "skopeo docker-archive", "skopeo oci-archive"},
    "docker-legacy": {"docker", "podman", "skopeo docker-archive"},
    "oci": {"podman", "skopeo oci-archive", "umoci"},
    "oci-layout": {"podman", "skopeo oci", "umoci"},
    "dir": {"podman", "skopeo dir"},
}
# For archives whose kind of input another one has shown to every tool already: the quick ones.
SOME = {"docker": {"docker"}, "docker-legacy": {"skopeo docker-archive"}, "oci": {"skopeo oci-archive"},
        "oci-layout": {"skopeo oci"}, "dir": {"skopeo dir"}}
# 1.1 GB: each format once, and each tool.
ONCE = {"docker": {"docker"}, "docker-legacy": {"skopeo docker-archive"}, "oci": {"podman"}, "oci-layout": {"umoci"}, "dir": {"skopeo dir"}}


# umoci knows neither zstd nor docker's media types.
NOT_UMOCIS = ("zstd", "docker-types")


class Image:
    """What an archive says an image is, read without imgkit."""

    def __init__(self, config, tags):
        self.config, self.tags = config, sorted(tags)
        self.id = digest(config)
        self.diff_ids = json.loads(config)["rootfs"]["diff_ids"]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_name(name):
    return "blobs/" + name.replace(":", "/")


def originals(path, reference=""):
    """The images of an archive, each once; of an OCI layout the one with that `ref.name`."""
    if path.is_dir():
        def read(name):
            return (path / name).read_bytes() if (path / name).is_file() else None
    else:
        tar = tarfile.open(path)
        names = set(tar.getnames())

        def read(name):
            return tar.extractfile(name).read() if name in names else None
    if path.is_dir() and (path / "version").exists():
        manifest = json.loads(read("manifest.json"))
        return [Image(read(manifest["config"]["digest"].removeprefix("sha256:")), [])]
    if read("manifest.json"):
        return [Image(read(item["Config"]), item["RepoTags"] or []) for item in json.loads(read("manifest.json"))]
    images = {}
    for entry in json.loads(read("index.json"))["manifests"]:
        name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
        if reference in ("", name):
            manifest = json.loads(read(blob_name(entry["digest"])))
            # Without a repository a tag names nothing that docker could know.
            tags = [short_name(name)] if ":" in name else []
            image = images.setdefault(entry["digest"], Image(read(blob_name(manifest["config"]["digest"])), []))
            image.tags = sorted({*image.tags, *tags})
    return list(images.values())


def tool(what, *command, env=None):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, env=env or os.environ, timeout=600)
    shown = " ".join(Path(command[0]).name if i == 0 else word for i, word in enumerate(command))
    ok = checks.true(f"{what}: {Path(command[0]).name} takes it", done.returncode == 0, f"$ {shown}\n    {done.stderr.strip()[-2000:]}")
    return done.stdout if ok else None


class Tools:
    """The tools, each with storage of its own that is empty before each archive."""

    def __init__(self, tmp):
        self.tmp = Path(tmp)
        self.podman = ["podman", "--root", f"{tmp}/podman/root", "--runroot", f"{tmp}/podman/run", "--storage-driver", "overlay"]
        if subprocess.run([*self.podman, "info"], capture_output=True).returncode:
            self.podman[-1] = "vfs"
            shutil.rmtree(f"{tmp}/podman", ignore_errors=True)
        self.engine, self.docker = None, None
        self.start_engine()

    def start_engine(self):
        dockerd = shutil.which("dockerd")
        if dockerd and os.geteuid() == 0:
            # A short path: a socket's may have 107 bytes only.
            self.run = fresh(tempfile.gettempdir(), "ikd.")
            host = f"unix://{self.run}/docker.sock"
            command = [dockerd, "--host", host, "--data-root", f"{self.tmp}/docker", "--exec-root", f"{self.run}/exec", "--pidfile",
                       f"{self.run}/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"]
            self.engine = subprocess.Popen(command, stdout=open(self.tmp / "dockerd.log", "w"), stderr=subprocess.STDOUT)
            if self.answers(host):
                return
            self.stop()
        if os.environ.get("DOCKER_HOST") and self.answers(os.environ["DOCKER_HOST"], 1):
            print("docker: the engine of DOCKER_HOST is asked, which may know layers already")

    def answers(self, host, times=60):
        client = ["/usr/bin/docker", "--host", host]
        for _ in range(times):
            if subprocess.run([*client, "info"], capture_output=True).returncode == 0:
                self.docker = client
                return True
            if self.engine and self.engine.poll() is not None:
                return False
            time.sleep(0.5)
        return False

    def stop(self):
        if self.engine:
            self.engine.terminate()
            self.engine.wait(60)
            self.engine = None
            shutil.rmtree(self.run, ignore_errors=True)
        subprocess.run([*self.podman, "unshare", "true"], capture_output=True)

    def scratch(self):
        return fresh(self.tmp)

    # What each makes of an archive in a format: every image of it, by ID.

    def ask_docker(self, what, form, out, images):
        if not self.docker or tool(what, *self.docker, "load", "--quiet", "--input", out) is None:
            return
        ids = [image.id for image in images]
        for image in images:
            shown = tool(what, *self.docker, "image", "inspect", image.id)
            found = json.loads(shown or "[{}]")[0]
            checks.same(f"{what}: docker's Id", found.get("Id"), image.id)
            checks.same(f"{what}: docker's diff IDs", (found.get("RootFS") or {}).get("Layers"), image.diff_ids)
            # Those of a shared engine may have been given other names by others.
            tags = [tag for tag in found.get("RepoTags") or [] if self.engine or tag in image.tags]
            checks.same(f"{what}: docker's tags", sorted(tags), sorted(map(short_name, image.tags)))
            config = json.loads(image.config)
            for key in ("Env", "Cmd", "Entrypoint", "Labels", "User", "WorkingDir"):
                expected = config.get("config", {}).get(key) or None
                checks.same(f"{what}: docker's Config.{key}", (found.get("Config") or {}).get(key) or None, expected)
            checks.same(f"{what}: docker's platform", [found.get("Os"), found.get("Architecture")], [config["os"], config["architecture"]])
        if self.engine:
            subprocess.run([*self.docker, "rmi", "--force", *ids], capture_output=True)

    def ask_podman(self, what, form, out, images, names):
        transport = {"oci-layout": "oci", "oci": "oci-archive", "dir": "dir"}.get(form)
        # Of several names in an index podman wants to be told one.
        several = transport and form != "dir" and len(listed(out, form)) > 1
        reference = f":{names[images[0].id]}" if several else ""
        load = form == "oci" and not several or not transport
        command = ["load", "--quiet", "--input", out] if load else ["pull", "--quiet", f"{transport}:{out}{reference}"]
        images = images[:1] if several else images
        if tool(what, *self.podman, *command) is None:
            return
        shown = json.loads(tool(what, *self.podman, "images", "--no-trunc", "--format", "json") or "[]")
        checks.same(f"{what}: podman's images", sorted({image["Id"] for image in shown}), sorted({i.id.removeprefix("sha256:") for i in images}))
        for image in images:
            found = json.loads(tool(what, *self.podman, "image", "inspect", image.id) or "[{}]")[0]
            checks.same(f"{what}: podman's diff IDs", (found.get("RootFS") or {}).get("Layers"), image.diff_ids)
            if form in ("docker", "docker-legacy"):
                # Where a name tells no host, podman takes it for the local one's, or for docker.io's.
                tags = [sorted(short_name(tag).removeprefix("localhost/") for tag in tags) for tags in (found.get("RepoTags", []), image.tags)]
                checks.same(f"{what}: podman's tags", *tags)
        subprocess.run([*self.podman, "rmi", "--all", "--force"], capture_output=True)

    def ask_skopeo(self, what, transport, out, image, reference):
        """Copies to `dir:`, where config and layers lie as files, and hashes those itself."""
        source, copy = f"{transport}:{out}{reference}", self.scratch()
        config = subprocess.run(["skopeo", "inspect", "--config", "--raw", source], capture_output=True)
        checks.true(f"{what}: skopeo inspect gives the config's bytes", config.stdout == image.config, config.stderr.decode()[-500:])
        if tool(what, "skopeo", "--insecure-policy", "copy", "--quiet", source, f"dir:{copy}") is not None:
            manifest = json.loads((copy / "manifest.json").read_text())
            checks.same(f"{what}: skopeo finds the config", manifest["config"]["digest"], image.id)
            layers = [diff_id(copy / layer["digest"].split(":")[1]) for layer in manifest["layers"]]
            checks.same(f"{what}: the layers that skopeo copied", layers, image.diff_ids)
        shutil.rmtree(copy)

    def ask_umoci(self, what, form, out, image, name):
        layout, bundle = out, self.scratch() / "bundle"
        if any(kind in what for kind in NOT_UMOCIS):
            # The same layers in what umoci knows.
            layout, name = self.scratch() / "layout", "app"
            run = checks.run("imgconvert", "-q", "--media-types", "oci", "--compression", "gzip", out, f"oci:{layout}:app")
            checks.succeeds(f"{what}: imgconvert", run)
        elif form == "oci":
            layout = self.scratch()
            tarfile.open(out).extractall(layout, filter="data")
        shown = tool(what, "umoci", "stat", "--json", "--image", f"{layout}:{name}")
        if shown is not None:
            found = [step["diff_id"] for step in json.loads(shown)["history"] if step.get("layer")]
            checks.same(f"{what}: umoci's diff IDs", found, image.diff_ids)
            tool(what, "umoci", "unpack", *([] if os.geteuid() == 0 else ["--rootless"]), "--image", f"{layout}:{name}", bundle)
        shutil.rmtree(bundle, ignore_errors=True)


def diff_id(path):
    """The digest of a layer's plain bytes; zstd is unpacked by its own program."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        plain = hashlib.sha256()
        while data:
            member = zlib.decompressobj(31)
            plain.update(member.decompress(data) + member.flush())
            data = member.unused_data
        return "sha256:" + plain.hexdigest()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        data = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    return digest(data)


def listed(out, form):
    """The entries of index.json: the digest of the config and the name of each."""
    if form == "oci-layout":
        def read(name):
            return (out / name).read_bytes()
    else:
        tar = tarfile.open(out)

        def read(name):
            return tar.extractfile(name).read()
    entries = []
    for entry in json.loads(read("index.json"))["manifests"]:
        config = json.loads(read(blob_name(entry["digest"])))["config"]["digest"]
        entries.append((config, entry.get("annotations", {}).get("org.opencontainers.image.ref.name")))
    return entries


def blobs(store):
    return sorted(path.name for path in (store / "blobs").glob("*/*"))


def manifests(store):
    return sorted({entry["digest"] for entry in json.loads((store / "index.json").read_text())["manifests"]})


def source(tools, label, place, images, matrix):
    began = time.monotonic()
    work = tools.scratch()
    store = work / "store"
    if not checks.succeeds(f"imgload {label}", checks.run("imgload", "--store", store, "-q", "-i", place)):
        return
    # By their names, which they keep then; an image that is asked for by its ID is saved without.
    named = [name for image in images for name in image.tags or [image.id]]
    for form, readers in matrix.items():
        if form == "dir" and len(images) > 1:
            continue
        what, out = f"{label} as {form}", work / form
        extra = []
        if form in ("oci-layout", "oci") and "umoci" in readers and len(images) == 1 and not images[0].tags:
            extra = ["--name", "imgkit.test/app:1"]  # umoci finds nothing without a name
        if form == "docker-legacy":
            extra = ["--compression", "none"]
        if form == "docker" and "zstd" in label:
            extra = ["--compression", "gzip"]  # what docker before 23 needs, as the man page says
        run = checks.run("imgsave", "--store", store, "-q", "--format", form, *extra, "-o", out, *named, timeout=300)
        if not checks.succeeds(f"imgsave {what}", run):
            continue
        run = checks.run("imgverify", "-q", out, timeout=300)
        checks.same(f"{what}: imgverify", run.code, 0, run)
        entries = listed(out, form) if form in ("docker", "oci", "oci-layout") else []
        names = dict(entries)
        checks.same(f"{what}: the images in index.json", sorted(names), sorted(i.id for i in images) if names else [])
        for reader in sorted(readers):
            asked = f"{what}: {reader}"
            if reader == "docker":
                tools.ask_docker(asked, form, out, images)
            elif reader == "podman":
                tools.ask_podman(asked, form, out, images, names)
            for image in images:
                if reader.startswith("skopeo "):
                    transport = reader.split()[1]
                    # One name of several; without need none, because of manifests of docker's type skopeo finds none by name.
                    of_name = None
                    if transport.startswith("oci") and len(entries) > 1:
                        of_name = names[image.id]
                    elif transport == "docker-archive" and len(images) > 1:
                        of_name = image.tags[0]
                    tools.ask_skopeo(asked, transport, out, image, f":{of_name}" if of_name else "")
                elif reader == "umoci" and names.get(image.id):
                    tools.ask_umoci(asked, form, out, image, names[image.id])
    round_trips(label, place, store, work, named)
    shutil.rmtree(work)
    print(f"{label}: {time.monotonic() - began:.1f} s", flush=True)


def round_trips(label, place, store, work, named):
    """Archive, store, archive, store: the same digests; docker, OCI, docker: the same bytes."""
    for form in ("docker", "oci"):
        again, archive = work / f"again-{form}", work / f"trip-{form}.tar"
        checks.run("imgsave", "--store", store, "-q", "--format", form, "-o", archive, *named, timeout=300)
        checks.run("imgload", "--store", again, "-q", "-i", archive, timeout=300)
        checks.same(f"{label}: store -> {form} -> store: the manifests", manifests(again), manifests(store))
        checks.same(f"{label}: store -> {form} -> store: all blobs", blobs(again), blobs(store))
        shutil.rmtree(again)
    if (work / "trip-docker.tar").stat().st_size < 300 << 20:
        piped = checks.run("imgsave", "--store", store, "-q", *named, timeout=300)
        checks.true(f"{label}: to a pipe the same bytes", piped.out == (work / "trip-docker.tar").read_bytes())
    first, second, last = work / "first.tar", work / "second.tar", work / "last.tar"
    for step, run in enumerate([
        checks.run("imgconvert", "-q", place, f"docker-archive:{first}", timeout=300),
        checks.run("imgconvert", "-q", first, f"oci-archive:{second}", timeout=300),
        checks.run("imgconvert", "-q", second, f"docker-archive:{last}", timeout=300),
    ]):
        checks.succeeds(f"{label}: docker -> oci -> docker, step {step + 1}", run)
    same = subprocess.run(["cmp", first, last], capture_output=True, text=True)
    checks.true(f"{label}: docker -> oci -> docker gives the same bytes", same.returncode == 0, same.stdout + same.stderr)


def cells(corpus):
    if not corpus:
        for name in SMALL:
            yield name, FOREIGN / name, originals(FOREIGN / name), READERS
        return
    yield "classic.tar", corpus / "classic.tar", originals(corpus / "classic.tar"), READERS
    for name in ("classic2.tar", "buildkit.tar", "committed.tar", "multi.tar", "classic-oci.tar"):
        yield name, corpus / name, originals(corpus / name), SOME
    yield "oci:classic", f"oci:{corpus}/oci:classic", originals(corpus / "oci", "classic"), SOME
    yield "dir", f"dir:{corpus}/dir", originals(corpus / "dir"), SOME
    yield "big.tar", corpus / "big.tar", originals(corpus / "big.tar"), ONCE


def main():
    # So that what runs and is mounted for it goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with scratch("imgkit-written", corpus and corpus.parent) as tmp:
        tools = Tools(tmp)
        try:
            if not tools.docker:
                print("LEFT OUT: docker load: no engine could be started, and DOCKER_HOST names none")
            only = sys.argv[2:]
            for label, place, images, matrix in cells(corpus):
                if not only or label in only:
                    source(tools, label, place, images, matrix)
            everything = Path(tmp) / "all"
            many = [checks.run("imgload", "--store", everything, "-q", "-i", FOREIGN / name) for name in SMALL]
            checks.same("all in one store", [run.code for run in many], [0] * len(SMALL))
            checks.same("the store is sound", checks.run("imgverify", "-q", everything).code, 0)
        finally:
            tools.stop()
            # What podman and docker mounted there would be in the way of removing it.
            for line in Path("/proc/mounts").read_text().splitlines()[::-1]:
                if line.split()[1].startswith(f"{tmp}/"):
                    subprocess.run(["umount", "--lazy", line.split()[1]], capture_output=True)
    checks.done()


if __name__ == "__main__":
    main()
