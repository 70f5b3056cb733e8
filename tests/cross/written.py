#!/usr/bin/env python3
"""What imgsave and imgconvert write, read by skopeo, podman, umoci, and by docker where an engine runs.

    tests/cross/written.py [big.tar …]

Each archive of testdata/foreign goes through the store and comes out in every format; the tools then say which config
and which layers they see. DOCKER_HOST names a private engine; without it docker is left out.
"""
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from imgkit import BIN, ENV, REPO, Checks

checks = Checks("written")
FOREIGN = REPO / "testdata/foreign"
# One image each, so that every tool may be asked without a choice.
SOURCES = ["docker-classic.tar", "docker-buildkit.tar", "podman-docker.tar", "podman-oci.tar", "skopeo-oci.tar",
           "skopeo-oci-zstd.tar", "buildah-oci.tar", "containerd-docker-types.tar"]


def tool(what, *command, env=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env or os.environ, timeout=300)
    ok = checks.true(f"{what}: {command[0]} takes it", done.returncode == 0, f"$ {' '.join(map(str, command))}\n    {done.stderr.strip()}")
    return done.stdout if ok else None


def sha256(path):
    return "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


def skopeo(what, reference, image, tmp):
    """Copies to `dir:`, where config and layers lie as files under their digests, and compares the config."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    if tool(what, "skopeo", "--insecure-policy", "copy", "--quiet", reference, f"dir:{out}") is None:
        return
    manifest = json.loads((out / "manifest.json").read_text())
    config = json.loads((out / manifest["config"]["digest"].split(":")[1]).read_text())
    checks.same(f"{what}: diff ids as skopeo sees them", config["rootfs"]["diff_ids"], image["RootFS"].get("Layers", []))
    checks.same(f"{what}: skopeo finds the config", manifest["config"]["digest"], image["Id"])


def podman(what, archive, image, tmp):
    root = tempfile.mkdtemp(dir=tmp)
    base = ["podman", "--root", root + "/root", "--runroot", root + "/run", "--storage-driver", "vfs"]
    if tool(what, *base, "load", "--quiet", "--input", archive) is None:
        return
    shown = tool(what, *base, "images", "--no-trunc", "--quiet")
    checks.same(f"{what}: podman's image id", sorted(set((shown or "").split())), [image["Id"]])


def docker(what, archive, image):
    if not os.environ.get("DOCKER_HOST"):
        return
    command = ["/usr/bin/docker"]
    if tool(what, *command, "load", "--quiet", "--input", archive) is None:
        return
    shown = tool(what, *command, "image", "inspect", image["Id"])
    found = json.loads(shown or "[{}]")[0]
    for key in ("Id", "RootFS", "Config", "Architecture", "Os"):
        checks.same(f"{what}: docker's {key}", found.get(key), image.get(key))
    for tag in image["RepoTags"]:
        checks.true(f"{what}: docker knows {tag}", tag in (found.get("RepoTags") or []), str(found.get("RepoTags")))
        if tag.startswith("imgkit-test/") or tag.startswith("localhost/imgkit-test/"):
            subprocess.run([*command, "rmi", tag], capture_output=True)


def first_name(path):
    """The first `ref.name` of index.json in a layout or a tar; empty where there is no index."""
    if path.is_dir():
        bytes_ = (path / "index.json").read_bytes() if (path / "index.json").exists() else b"{}"
    else:
        with tarfile.open(path) as tar:
            bytes_ = tar.extractfile("index.json").read() if "index.json" in tar.getnames() else b"{}"
    entries = json.loads(bytes_).get("manifests") or [{}]
    return entries[0].get("annotations", {}).get("org.opencontainers.image.ref.name", "")


def one(source, tmp):
    name = source.name
    store = Path(tempfile.mkdtemp(dir=tmp)) / "store"
    env = {**ENV, "IMGKIT_STORE": str(store)}
    checks.succeeds(f"imgload {name}", checks.run("imgload", "--store", store, "-q", "-i", source))
    run = checks.run("imgls", "--store", store, "--format", "json")
    rows = run.rows()
    wanted = rows[0]["ImageID"] if rows else ""
    image = (checks.run("imginspect", source).json() or [{}])[0]
    checks.same(f"{name}: the store has the image", wanted, image.get("Id"))
    # By its names, which it keeps then; an image that is asked for by its ID is saved without.
    named = image["RepoTags"] or [wanted]
    for form in ("docker", "docker-legacy", "oci", "oci-layout", "dir"):
        what = f"{name} as {form}"
        out = Path(tempfile.mkdtemp(dir=tmp)) / "out"
        extra = ["--compression", "none"] if form == "docker-legacy" else []
        run = checks.run("imgsave", "--store", store, "-q", "--format", form, *extra, "-o", out, *named)
        if not checks.succeeds(f"imgsave {what}", run):
            continue
        verified = checks.run("imgverify", "-q", out)
        checks.same(f"{what}: imgverify", verified.code, 0, verified)
        again = (checks.run("imginspect", out).json() or [{}])[0]
        for key in ("Id", "RootFS", "Config"):
            checks.same(f"{what}: {key} as before", again.get(key), image.get(key))
        kind = {"docker": "docker-archive", "docker-legacy": "docker-archive", "oci": "oci-archive", "oci-layout": "oci", "dir": "dir"}[form]
        # With several names skopeo wants one of them, as index.json spells it.
        reference = f":{first_name(out)}" if len(named) > 1 else ""
        skopeo(what, f"{kind}:{out}" + (reference if kind.startswith("oci") else ""), image, tmp)
        if form == "docker":
            skopeo(f"{what} (its OCI half)", f"oci-archive:{out}{reference}", image, tmp)
            podman(what, out, image, tmp)
            if "zstd" in name:
                # Docker before 23 has no zstd: for it the layers are packed otherwise, as the man page says.
                out = Path(tempfile.mkdtemp(dir=tmp)) / "gzip"
                checks.run("imgsave", "--store", store, "-q", "--compression", "gzip", "-o", out, *named)
            docker(what, out, image)
            out = Path(tempfile.mkdtemp(dir=tmp)) / "again"
            checks.run("imgsave", "--store", store, "-q", "-o", out, *named)
            twice = checks.run("imgsave", "--store", store, "-q", *named)
            checks.true(f"{what}: to a pipe the same bytes", hashlib.sha256(twice.out).hexdigest() == hashlib.sha256(out.read_bytes()).hexdigest())
        if form == "docker-legacy":
            docker(what, out, image)
    # A name makes umoci able to find it; plain layers under the image specification's types make it able to read it.
    layout = Path(tempfile.mkdtemp(dir=tmp)) / "layout"
    run = checks.run("imgconvert", "--media-types", "oci", "--compression", "gzip", source, f"oci:{layout}:app")
    if checks.succeeds(f"imgconvert {name} oci:", run):
        tool(name, "umoci", "unpack", "--rootless", "--image", f"{layout}:app", Path(tempfile.mkdtemp(dir=tmp)) / "bundle")
        converted = (checks.run("imginspect", f"oci:{layout}:app").json() or [{}])[0]
        checks.same(f"{name} in gzip: the image's ID", converted.get("Id"), image.get("Id"))
    back = Path(tempfile.mkdtemp(dir=tmp)) / "back.tar"
    first = Path(tempfile.mkdtemp(dir=tmp)) / "first.tar"
    checks.run("imgconvert", source, f"docker-archive:{first}")
    checks.run("imgconvert", first, f"oci-archive:{back}")
    last = checks.run("imgconvert", back, "-")
    checks.true(f"{name}: docker -> oci -> docker gives the same bytes", last.out == first.read_bytes(), f"exit {last.code}: {last.err}")
    return env


def main():
    sources = [FOREIGN / name for name in SOURCES] + [Path(path) for path in sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="imgkit-written.") as tmp:
        for source in sources:
            one(source, tmp)
        store = Path(tmp) / "all"
        many = [checks.run("imgload", "--store", store, "-q", "-i", source) for source in sources]
        checks.same("all in one store", [run.code for run in many], [0] * len(sources))
        checks.same("the store is sound", checks.run("imgverify", "-q", store).code, 0)
    if not os.environ.get("DOCKER_HOST"):
        print("LEFT OUT: docker load: no engine (DOCKER_HOST is not set)")
    checks.done()


if __name__ == "__main__":
    main()
