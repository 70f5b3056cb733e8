#!/usr/bin/env python3
"""imgedit against umoci: configs, annotations and appended layers of one image, edited by both.

    tests/cross/edit.py CORPUS

Both edit the corpus' classic image as an OCI layout. Config, history, annotations and diff IDs must be the same, and
the layers of the image must be the same blobs.
"""
import argparse
import json
import subprocess
import tarfile
from pathlib import Path

from imgkit import BIN, ENV, Checks, scratch

checks = Checks("edit")
# Fields of docker's that umoci loses.
DOCKERS = ("Healthcheck", "Image", "OnBuild", "Shell")
TIME = "2021-03-04T05:06:07Z"
# What each edits, as imgedit and as umoci spell it.
CASES = {
    "env": (["-c", "ENV A=b PATH=/x"], ["--config.env", "A=b", "--config.env", "PATH=/x"]),
    "user": (["-c", "USER 1000:7"], ["--config.user", "1000:7"]),
    "command": (["-c", 'CMD ["a", "b c"]'], ["--config.cmd", "a", "--config.cmd", "b c"]),
    "entrypoint": (
        ["-c", 'CMD ["c"]', "-c", 'ENTRYPOINT ["a"]'],
        ["--config.cmd", "c", "--config.entrypoint", "a"],
    ),
    "labels": (["-c", "LABEL a=b c=d"], ["--config.label", "a=b", "--config.label", "c=d"]),
    "ports": (["-c", "EXPOSE 80/tcp"], ["--config.exposedports", "80/tcp"]),
    "volumes": (["-c", 'VOLUME ["/data"]'], ["--config.volume", "/data"]),
    "directory": (["-c", "WORKDIR /srv"], ["--config.workingdir", "/srv"]),
    "signal": (["-c", "STOPSIGNAL SIGUSR1"], ["--config.stopsignal", "SIGUSR1"]),
    "author": (["--author", "me"], ["--author", "me"]),
    "time": (["--created", TIME], ["--created", TIME]),
    "platform": (["--set-platform", "linux/riscv64"], ["--architecture", "riscv64", "--os", "linux"]),
    "annotation": (["--annotation", "k=v=w"], ["--manifest.annotation", "k=v=w"]),
    "no variables": (["--unset", "env:*"], ["--clear", "config.env"]),
    "no labels": (["-c", "LABEL a=b", "--unset", "label:*"], ["--clear", "config.labels"]),
    "no command": (["--unset", "cmd"], ["--clear", "config.cmd"]),
}


def run(*command):
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=600)
    checks.true(f"{' '.join(map(str, command))}", done.returncode == 0, done.stderr[:500])


def blob(read, digest):
    return json.loads(read("blobs/" + digest.replace(":", "/")))


def image(read, tag=None):
    """Config, annotations and layers of an image in a layout or an archive."""
    index = json.loads(read("index.json"))
    name = "org.opencontainers.image.ref.name"
    entries = [one for one in index["manifests"] if tag in (None, one.get("annotations", {}).get(name))]
    manifest = blob(read, entries[0]["digest"])
    config = blob(read, manifest["config"]["digest"])
    # umoci writes fields that are empty, in this one and in the run's.
    settings = {key: value for key, value in config.get("config", {}).items() if value}
    names = ("architecture", "os", "author", "created", "history", "rootfs")
    return {
        **{name: config[name] for name in names if config.get(name)},
        "config": {key: value for key, value in settings.items() if key not in DOCKERS},
        "dockers": {key: value for key, value in settings.items() if key in DOCKERS},
        "annotations": manifest.get("annotations", {}),
        "layers": [layer["digest"] for layer in manifest["layers"]],
    }


def of_archive(path):
    with tarfile.open(path) as archive:
        return image(lambda name: archive.extractfile(name).read())


def of_layout(path, tag):
    return image(lambda name: (path / name).read_bytes(), tag)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    args = parser.parse_args()
    with scratch("imgkit-edit") as folder:
        folder = Path(folder)
        layout, out = folder / "layout", folder / "out.tar"
        run(BIN / "imgconvert", "-q", args.corpus / "classic.tar", f"oci:{layout}:old")
        source = f"oci:{layout}:old"
        before = of_layout(layout, "old")
        checks.true("the image has fields that umoci loses", before["dockers"])
        for number, (what, (ours, theirs)) in enumerate(CASES.items()):
            run("umoci", "config", "--image", f"{layout}:old", "--tag", f"new{number}", "--no-history", *theirs)
            run(BIN / "imgedit", "-q", source, *ours, "-o", out, "x:1")
            found, expected = of_archive(out), of_layout(layout, f"new{number}")
            checks.same(f"{what}: fields of docker's", found.pop("dockers"), before["dockers"])
            expected.pop("dockers")
            checks.same(f"{what}: as umoci", found, expected)
            checks.same(f"{what}: layers", found["layers"], before["layers"])

        layer = folder / "layer.tar"
        (folder / "etc").mkdir()
        (folder / "etc/added").write_text("text")
        run("tar", "-cf", layer, "-C", folder, "etc")
        run("umoci", "raw", "add-layer", "--image", f"{layout}:old", "--tag", "added", "--no-history", layer)
        run(BIN / "imgedit", "-q", source, "--append", layer, "-o", out, "x:1")
        found, expected = of_archive(out), of_layout(layout, "added")
        checks.same("a layer: diff IDs as umoci", found["rootfs"], expected["rootfs"])
        checks.same("a layer: the others", found["layers"][:-1], before["layers"])
        run(BIN / "imgverify", "-q", out)
        trees = [subprocess.run([BIN / "imgexport", "-q", one], env=ENV, capture_output=True, timeout=600).stdout
                 for one in (out, f"oci:{layout}:added")]
        checks.true("a layer: the same tree", trees[0] == trees[1] and trees[0])
    checks.done()


if __name__ == "__main__":
    main()
