"""The jobs of whoever examines an image: names, contents, times, what was deleted."""
import hashlib
import io
import json
import os
import shutil
import tarfile

from contest import Contender, sh

# Found in some hundred files of a Debian system, in texts and in programs.
PATTERN = "BEGIN [A-Z ]*CERTIFICATE"


def on_big(c, big):
    if not any(map(c.any_wanted, ["search", "find", "timeline", "recover"])):
        return
    layout, name = big.packed
    tree, layers = c.work / "searched", c.work / "layers"
    sh(f"rm -rf {tree} {layers} && mkdir {layers} && {c.bin}/imgexport -q -C {tree} oci:{layout}:{name}", check=True)
    for at, digest in enumerate(manifest_of(layout, name)["layers"]):
        sh(f"gzip -dc {blob(layout, digest['digest'])} > {layers}/{at}.tar", check=True)
    for job in [contents, names, timeline]:
        job(c, big, tree, layers)
    sh(f"rm -rf {tree} {layers}")
    for job in [many_images, recover]:
        job(c, big)


def contents(c, i, tree, _):
    """The final tree of an image against the same files on the disk; ripgrep's unpacking is not counted."""
    search = f"{c.bin}/imgfind -l --scope final -e '{PATTERN}'"
    rg = Contender("rg -uuu", f"rg -uuu -l '{PATTERN}' {tree}")
    c.job("search contents", i.shown, Contender("imgfind", f"{search} {i.path}"), [], [i.path, tree], rg, limit_target=1.0)
    layout, name = i.packed
    source = f"oci:{layout}:{name}"
    verify = Contender("imgverify", f"{c.bin}/imgverify -q {source}")
    ours = Contender("imgfind", f"{search} {source}")
    c.job("search contents in gzip", i.shown, ours, [], [layout], verify, limit_target=1.2)


def names(c, i, tree, _):
    layout, name = i.packed
    cache = c.work / "cache"
    find = Contender("find", f"find {tree} -name '*.so.1'")
    ours = Contender("imgfind --cache", f"{c.bin}/imgfind --cache {cache} --scope final oci:{layout}:{name} -name '*.so.1'")
    c.job("find names with --cache", i.shown, ours, [], [layout, cache], find, limit_target=0.3)
    listing = Contender("imgls", f"{c.bin}/imgls {i.path}")
    c.job("find names", i.shown, Contender("imgfind", f"{c.bin}/imgfind {i.path} -name '*.so.1'"), [], [i.path], listing, limit_target=2)
    sh(f"rm -rf {cache}")


def timeline(c, i, _, layers):
    layout, name = i.packed
    cache = c.work / "cache"
    ours = Contender("imghistory --timeline", f"{c.bin}/imghistory --cache {cache} --timeline --format bodyfile oci:{layout}:{name}")
    tar = Contender("tar -tvf", f"for layer in {layers}/*; do tar -tvf $layer; done")
    c.job("timeline with --cache", i.shown, ours, [], [layout, cache, layers], tar, limit_target=1)
    sh(f"rm -rf {cache}")


def many_images(c, i):
    """Ten images with one base: its contents are read once."""
    if not c.wanted("search ten images"):
        return
    layout, name = i.packed
    ten = c.work / "ten"
    derived(layout, name, ten, [[(f"opt/app{at}", b"certainly nothing\n")] for at in range(10)])
    search = f"{c.bin}/imgfind -l -e '{PATTERN}'"
    one = Contender("imgfind, one image", f"{search} oci:{layout}:{name}")
    c.job("search ten images", i.shown, Contender("imgfind", f"{search} {ten}"), [], [layout, ten], one, limit_target=2.5)
    sh(f"rm -rf {ten}")


def recover(c, i):
    """All files deleted by one layer, against the export of the image that has them."""
    if not c.wanted("recover deleted files"):
        return
    layout, name = i.packed
    lost, out, whole = (c.work / name for name in ["lost", "recovered", "whole"])
    tops = sh(f"{c.bin}/imgfind --scope final oci:{layout}:{name} -maxdepth 1 -mindepth 1 -print0", check=True).split("\0")
    derived(layout, name, lost, [[(f".wh.{top.rsplit('/', 1)[-1]}", b"") for top in tops if top]])
    ours = Contender("imgexport --deleted", f"{c.bin}/imgexport -q --deleted=removed -C {out} {lost}", c.away(out))
    export = Contender("imgexport", f"{c.bin}/imgexport -q -C {whole} oci:{layout}:{name}", c.away(whole))
    c.job("recover deleted files", i.shown, ours, [], [layout, lost], export, limit_target=1.2)
    sh(f"rm -rf {lost} {out} {whole}")


def blob(layout, digest):
    return layout / "blobs" / digest.replace(":", "/")


def manifest_of(layout, name):
    index = json.loads((layout / "index.json").read_text())
    named = [one for one in index["manifests"] if one.get("annotations", {}).get("org.opencontainers.image.ref.name") == name]
    return json.loads(blob(layout, named[0]["digest"]).read_text())


def derived(layout, name, target, added):
    """A layout of images that each have all layers of one and one more, with these files."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(layout / "blobs", target / "blobs", copy_function=os.link)

    def put(content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        blob(target, digest).write_bytes(content)
        return digest, len(content)

    entries = []
    for number, files in enumerate(added):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            for path, content in files:
                member = tarfile.TarInfo(path)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        digest, size = put(layer.getvalue())
        manifest = manifest_of(layout, name)
        config = json.loads(blob(layout, manifest["config"]["digest"]).read_text())
        config["rootfs"]["diff_ids"].append(digest)
        config.setdefault("history", []).append({"created_by": f"layer {number}"})
        manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size})
        manifest["config"]["digest"], manifest["config"]["size"] = put(json.dumps(config).encode())
        digest, size = put(json.dumps(manifest).encode())
        entries.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
                        "annotations": {"org.opencontainers.image.ref.name": f"app{number}"}})
    (target / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
