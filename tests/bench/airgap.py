"""The jobs of the way across an air gap: trees of a registry, bundles and volumes."""
import hashlib
import json
import statistics
import subprocess

from contest import ENV, Contender, sh


def on_big(c, big):
    for job in [bundle, push, volumes, parity]:
        job(c, big)
    for job in [plan, list_tags]:
        job(c)


def median_of(c, command, before="", runs=10):
    """The median of a command's wall times in seconds; `before`: what is done first each time, untimed."""
    notes = c.work / "hyperfine.json"
    words = ["hyperfine", "--style", "none", "--warmup", "1", "--runs", str(runs), "--export-json", notes, *(["--prepare", before] if before else ["-N"]), command]
    subprocess.run(words, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return json.loads(notes.read_text())["results"][0]["median"]


def bundle(c, i):
    """An archive for a reader that has the first blobs of a list."""
    if not c.wanted("bundle"):
        return
    known, first, out, copy = (c.work / name for name in ["known.txt", "first.tar", "bundle.tar", "copy"])
    receipt = sh(f"{c.bin}/imgls --receipt {i.path}", check=True)
    digests = [json.loads(line)["digest"] for line in receipt.splitlines() if '"digest"' in line]
    known.write_text("".join(f"{digest}\n" for digest in digests[:len(digests) // 2]))
    command = f"{c.bin}/imgsave -q --since {known} -o {{}} {i.path}"
    sh(command.format(first), check=True)
    c.job("bundle", i.shown, Contender("imgsave --since", command.format(out), f"rm -f {out}"), [], [i.path, first],
          Contender("cp", f"cp {first} {copy} && sync {copy}", f"rm -f {copy}"), limit_target=1.15)
    sh(f"rm -f {known} {first} {out} {copy}")


def many_images(top, count):
    """A layout of images with five shared layers of eight each, which nobody reads."""
    blobs = top / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(kind, content):
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{name}", "size": len(content)}

    manifests = []
    for number in range(count):
        words = [f"{number // 10 if layer < 5 else number} {layer}" for layer in range(8)]
        layers = [put("layer.v1.tar+gzip", b"\x1f\x8b\x08" + bytes(7) + word.encode()) for word in words]
        config = {"architecture": "amd64", "os": "linux", "history": [{"created_by": f"RUN make {word} " + "x" * 80} for word in words],
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(word.encode()).hexdigest() for word in words]}}
        config = put("config.v1+json", json.dumps(config).encode())
        manifest = put("manifest.v1+json", json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode())
        manifests.append(manifest | {"annotations": {"org.opencontainers.image.ref.name": f"app{number}:1"}})
    (top / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (top / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))


def plan(c):
    """What a bundle of many images would have: documents are read, layers are not."""
    if not c.wanted("plan"):
        return
    top, known = c.work / "many", c.work / "known.txt"
    many_images(top, 1000)
    known.write_text(sh(f"{c.bin}/imgls --receipt {top}:app0:1", check=True))
    seconds = median_of(c, f"{c.bin}/imgsave --since {known} --dry-run {top}")
    c.fact("plan a bundle", "1,000 images of 8 layers", seconds, seconds < 0.3, "imgsave --since RECEIPT --dry-run; wanted: under 0.3 s")
    sh(f"rm -rf {top} {known}")


def push(c, i):
    """A layout's image into a new tree, against a copy of the same blobs; and once more, when all of it is there."""
    if not c.any_wanted("push"):
        return
    layout, name = i.packed
    tree, first, copy = (c.work / name for name in ["tree", "first-tree", "copy"])
    source = f"oci:{layout}:{name}"
    sh(f"rm -rf {first} && {c.bin}/imgpush -q --as bench/big:1 {source} {first}", check=True)
    blobs = f"$(find {first} -name data)"
    c.job("push", i.shown, Contender("imgpush", f"{c.bin}/imgpush -q --as bench/big:1 {source} {tree}", c.away(tree)), [], [layout, first],
          Contender("cp", f"mkdir {copy} && n=0 && for blob in {blobs}; do n=$((n+1)); cp $blob {copy}/$n; done && sync {copy}/* {copy}", c.away(copy)), limit_target=1.15)
    c.job("push again", i.shown, Contender("imgpush", f"{c.bin}/imgpush -q --as bench/big:1 {source} {first}"), [], [layout, first],
          Contender("imgls -q", f"{c.bin}/imgls -q {first}"), limit_target=2)
    sh(f"rm -rf {tree} {first} {copy}")


def list_tags(c):
    """A tree of 10,000 tags of 2,000 images in 20 repositories, against reading each link."""
    if not c.wanted("list tags"):
        return
    tree = c.work / "tags"
    root = tree / "docker/registry/v2"

    def put(path, content):
        path = root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def blob(content):
        name = hashlib.sha256(content).hexdigest()
        put(f"blobs/sha256/{name[:2]}/{name}/data", content)
        return name

    layer = blob(b"\x1f\x8b\x08" + bytes(100))
    for number in range(2000):
        config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z", "config": {"Env": [f"N={number}"]},
                             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}).encode()
        kind = "application/vnd.oci.image."
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                               "config": {"mediaType": kind + "config.v1+json", "digest": f"sha256:{blob(config)}", "size": len(config)},
                               "layers": [{"mediaType": kind + "layer.v1.tar+gzip", "digest": f"sha256:{layer}", "size": 103}]}).encode()
        name, place = blob(manifest), f"repositories/team/app{number % 20}"
        link = f"sha256:{name}".encode()
        put(f"{place}/_manifests/revisions/sha256/{name}/link", link)
        for one in [hashlib.sha256(config).hexdigest(), layer]:
            put(f"{place}/_layers/sha256/{one}/link", f"sha256:{one}".encode())
        for tag in range(5):
            tags = f"{place}/_manifests/tags/{number}.{tag}"
            put(f"{tags}/current/link", link)
            put(f"{tags}/index/sha256/{name}/link", link)
    c.job("list tags", "10,000 tags in a tree", Contender("imgls", f"{c.bin}/imgls --digests --format {{{{.Repository}}}}:{{{{.Tag}}}}@{{{{.Digest}}}} {tree}"), [], [tree],
          Contender("find and cat", f"find {tree} -name link -exec cat {{}} +"), limit_target=1.5)
    sh(f"rm -rf {tree}")


def volumes(c, i):
    """An archive in volumes of 64 MiB, against a copy of it."""
    if not c.wanted("split"):
        return
    top, whole, copy = (c.work / name for name in ["volumes", "whole.tar", "copy"])
    sh(f"rm -rf {top} && mkdir {top} && {c.bin}/imgsave -q -o {whole} {i.path}", check=True)
    split = f"{c.bin}/imgsave -q --split 64M -o {top}/x.tar {i.path}"
    c.job("split", i.shown, Contender("imgsave --split", split, f"rm -f {top}/*"), [], [i.path, whole],
          Contender("cp", f"cp {whole} {copy} && sync {copy}", f"rm -f {copy}"), limit_target=1.15)
    sh(f"rm -rf {top} {whole} {copy}")


def parity(c, i):
    """What parity of 10 % takes beside the volumes themselves, against reading them once with sha256sum."""
    if not c.wanted("parity"):
        return
    top = c.work / "volumes"
    sh(f"rm -rf {top} && mkdir {top}", check=True)
    command = f"{c.bin}/imgsave -q --split 64M {{}} -o {top}/x.tar {i.path}"
    rounds = [[median_of(c, command.format(kind), f"rm -f {top}/*; sync", 1) for kind in ["--equal", "--parity 10%"]] for _ in range(c.rounds)]
    took = statistics.median(whole - part for part, whole in rounds)
    sh(f"cd {top} && rm x.tar.p*", check=True)
    sha256 = median_of(c, f"sha256sum {' '.join(map(str, sorted(top.glob('x.tar.*[0-9]'))))}", runs=c.rounds)
    c.fact("parity", i.shown, took, took <= 1.5 * sha256, f"beside --split --equal; wanted: 1.5 times sha256sum of the volumes, which takes {sha256:.2f} s, ratio {took / sha256:.2f}")
    sh(f"rm -rf {top}")
