#!/usr/bin/env python3
"""A whole trip across an air gap: three sources, one tree, a bundle in volumes, losses on the way, and a far registry.

    tests/cross/trip.py [SIZE]    root; needs docker-registry (Debian's package), skopeo, podman. SIZE of a volume: 2M

What docker saved, what skopeo sync wrote and what was pushed into a registry becomes one tree. The far side has an
older one. Its receipt goes back; a bundle of what it lacks goes over in volumes with parity, of which two are lost and
one is damaged. The far registry serves the images then, and podman gets them with the digests they had at first.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from imgkit import ENV, REPO, Checks, scratch  # noqa: E402
from trees import Layout, Server, collectable, skopeo  # noqa: E402

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SAVED = REPO / "testdata/foreign/docker-classic.tar"


def listed(checks, place):
    """Names with a tag, and their digests."""
    run = checks.run("imgls", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}", place)
    return dict(line.split() for line in run.out.decode().splitlines())


def sources(checks, work, volume):
    """An archive of docker, a directory of skopeo sync and the tree of a registry, all filled by these tools."""
    layout = Layout(work / "made")
    base = os.urandom(volume)
    # About twelve volumes are new, so that a fifth of them may be lost.
    synced = layout.image([base, os.urandom(5 * volume), os.urandom(volume // 2)])
    pushed = layout.index([layout.image([base, os.urandom(5 * volume)]), layout.image([b"arm"], "arm64")])
    older = layout.image([base])
    names = {"team/synced:1": synced, "team/multi:2": pushed, "team/older:1": older}
    for name, descriptor in names.items():
        layout.name(descriptor, f"docker.io/{name}")
    through, registry, directory = work / "through", work / "registry", work / "synced"
    for tree, wanted in ((through, ["team/synced:1"]), (registry, ["team/multi:2", "team/older:1"])):
        tree.mkdir()
        with Server(tree, work) as server:
            for name in wanted:
                done = skopeo("copy", "-q", "--all", "--dest-tls-verify=false", f"oci:{layout.path}:docker.io/{name}", f"docker://{server.host}/{name}")
                checks.true(f"skopeo pushes {name}", done.returncode == 0, done.stderr)
            if tree == through:
                done = skopeo("sync", "--all", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", f"{server.host}/team/synced", directory)
                checks.true("skopeo syncs", done.returncode == 0, done.stderr)
    digests = {name: descriptor["digest"] for name, descriptor in names.items()}
    return digests, directory, registry


def gathered(checks, work, directory, registry):
    """One tree of the three sources."""
    tree = work / "near"
    for what, source in (("docker's archive", [SAVED]), ("skopeo's directory", ["--prefix", "team", f"dir-tree:{directory}"]), ("the registry", [registry])):
        run = checks.run("imgpush", "-q", *source, tree)
        checks.true(f"push {what}", run.code == 0, run.err)
    checks.succeeds("verify the tree", checks.run("imgverify", "-q", tree))
    return tree


def main():
    size = sys.argv[1] if len(sys.argv) > 1 else "2M"
    volume = int(size[:-1]) * UNITS[size[-1]]
    checks = Checks("trip")
    for name in ("docker-registry", "skopeo", "podman"):
        if not shutil.which(name):
            raise SystemExit(f"trip: {name} is missing")
    with scratch("trip") as work:
        work = Path(work)
        digests, directory, registry = sources(checks, work, volume)
        near = gathered(checks, work, directory, registry)
        wanted = listed(checks, near)
        made = {name: digest for name, digest in wanted.items() if name in digests}
        checks.same("digests in the tree", made, digests)

        far, store, sent = work / "far", work / "store", work / "sent"
        run = checks.run("imgpush", "-q", f"{near}:team/older:1", far)
        checks.true("push an older image", run.code == 0, run.err)
        receipt = work / "far.receipt"
        run = checks.run("imgls", "--receipt", far)
        checks.succeeds("receipt of the older tree", run)
        receipt.write_bytes(run.out)

        sent.mkdir()
        run = checks.run("imgsave", "-q", "--since", receipt, "--split", size, "--parity", "20%", "-o", sent / "bundle.tar", near)
        checks.true("save what is new in volumes", run.code == 0, run.err)
        volumes = sorted(sent.glob("bundle.tar.[0-9][0-9][0-9]"))
        checks.true("several volumes", len(volumes) > 10, str(len(volumes)))
        checks.true("none is too large", all(path.stat().st_size <= volume for path in sent.iterdir()))
        done = subprocess.run("sha256sum --quiet -c *.sha256", shell=True, cwd=sent, capture_output=True, text=True)
        checks.true("sha256sum agrees", done.returncode == 0, done.stdout + done.stderr)
        joined = subprocess.run("cat bundle.tar.[0-9][0-9][0-9] | tar -t", shell=True, cwd=sent, capture_output=True, text=True)
        checks.true("tar reads the volumes", joined.returncode == 0 and "imgkit-bundle.json" in joined.stdout, joined.stderr)
        held = {line["digest"] for line in map(json.loads, receipt.read_text().splitlines()) if "digest" in line}
        layers = {name for name in joined.stdout.splitlines() if name.startswith("blobs/sha256/")}
        large = {blob for blob in held if (near / f"docker/registry/v2/blobs/sha256/{blob[7:9]}/{blob[7:]}/data").stat().st_size > volume // 2}
        checks.true("layers of the older tree stay there", large and not any(f"blobs/sha256/{blob[7:]}" in layers for blob in large))

        # Two are lost, and another one has a scratch.
        for lost in (volumes[1], volumes[5]):
            lost.unlink()
            lost.with_name(f"{lost.name}.sha256").unlink()
        with open(volumes[3], "r+b") as file:
            file.seek(volume // 3)
            file.write(b"\0" * 4096)
        ENV["IMGKIT_STORE"] = str(store)
        run = checks.run("imgload", "-q", "--volumes", sent)
        checks.true("without the older tree nothing is loaded", run.code == 1 and "neither here nor in the store" in run.err, run.err)
        checks.same("images of the store", checks.run("imgls", "-q").out, b"")
        run = checks.run("imgload", "-q", "--volumes", "--with", far, sent)
        checks.true("load what is left of the volumes", run.code == 0, run.err)
        checks.succeeds("verify the store", checks.run("imgverify", "-q", store))
        run = checks.run("imgpush", "-q", store, far)
        checks.true("push into the far tree", run.code == 0, run.err)
        checks.same("digests in the far tree", listed(checks, far), wanted)
        checks.succeeds("verify the far tree", checks.run("imgverify", "-q", far))
        checks.same("garbage collection", collectable(far, work), "0 blobs and 0 manifests eligible for deletion")
        podman = ["podman", "--root", work / "podman", "--runroot", work / "podman-run", "--storage-driver", "vfs"]
        with Server(far, work) as server:
            for name, expected in wanted.items():
                repository, tag = name.rsplit(":", 1)
                checks.same(f"{name} is served whole", server.whole(repository, tag), expected)
                done = subprocess.run([*podman, "pull", "-q", "--tls-verify=false", f"{server.host}/{name}"], capture_output=True, text=True)
                checks.true(f"podman pulls {name}", done.returncode == 0, done.stderr)
                done = subprocess.run([*podman, "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", f"{server.host}/{name}"], capture_output=True, text=True)
                checks.true(f"podman's digest of {name}", expected in done.stdout, done.stdout + done.stderr)
    checks.done()


if __name__ == "__main__":
    main()
