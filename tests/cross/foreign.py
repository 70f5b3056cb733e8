#!/usr/bin/env python3
"""Every archive of testdata/foreign, as other tools wrote it, against what they and a second reader say of it.

    tests/cross/foreign.py
"""
import hashlib
import json
import platform
from pathlib import Path

from imgkit import COMPRESSORS, PROGRAMS, REPO, Checks, answers, compressed, same_answers, scratch, short_name, tool

HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
FOREIGN = REPO / "testdata" / "foreign"
# What docker image inspect tells and a file can know. Not what is its engine's own (GraphDriver, Metadata, Parent), nor
# what newer versions of docker leave out when it is empty (Container, ContainerConfig).
INSPECT = ["Id", "RepoTags", "Created", "Author", "Config", "Architecture", "Os", "Size", "RootFS", "Comment", "DockerVersion"]
HISTORY = ["CreatedBy", "Comment", "CreatedAt", "Size"]

checks = Checks("foreign")


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def name_of(row):
    """A row's name in one text; None if it has none."""
    known = [part for part in (row["Repository"], row["Tag"]) if part != "<none>"]
    return ":".join(known) or None


def oci_name(annotations):
    full = annotations.get("io.containerd.image.name")
    return short_name(full) if full else annotations.get("org.opencontainers.image.ref.name")


def image_id(image):
    return image.get("config_descriptor_digest") or image.get("config_digest") or image["v1_id"]


def below(facts, position):
    """Manifest digests of what stands at or below a descriptor in the walk of expected.json."""
    walk, depth = facts["oci"], facts["oci"][position]["depth"]
    yield walk[position]["digest"]
    for row in walk[position + 1:]:
        if row["depth"] <= depth:
            return
        yield row["digest"]


def expected_rows(facts):
    """(kind, name, id, digest) of each line imgls has to show, in no order."""
    if "oci" not in facts:
        # The name of the digest column is the one of docker: an archive without manifests has none.
        digest = facts["images"][0].get("manifest_digest", "<none>")
        return {("image", name, image_id(i), digest) for i in facts["images"] for name in i.get("repo_tags") or [None]}
    images = {i["manifest_digest"]: i for i in facts["images"]}
    rows = set()
    for position, descriptor in enumerate(facts["oci"]):
        if descriptor["depth"]:
            continue
        found = [images[d] for d in below(facts, position) if d in images]
        found.sort(key=lambda i: i["architecture"] != HOST)
        name = oci_name(descriptor.get("annotations", {}))
        if found:
            rows.add(("image", name, image_id(found[0]), descriptor["digest"]))
        else:
            rows.add((descriptor["role"], name, descriptor["digest"], descriptor["digest"]))
    # A descriptor without a name beside a named one of the same thing adds nothing to show.
    return {r for r in rows if r[1] or not any(o[3] == r[3] and o[1] for o in rows)}


def names_of(facts, image):
    """All names of one image, as docker would show them."""
    names = list(image.get("repo_tags") or [])
    for i, d in enumerate(facts.get("oci", [])):
        name = oci_name(d.get("annotations", {}))
        if d["depth"] == 0 and name and image["manifest_digest"] in below(facts, i):
            names.append(name)
    return sorted(set(names))


def select(path, facts, image):
    """The way to name one image of several."""
    if "manifest_digest" in image and "oci" in facts:
        return f"{path}@{image['manifest_digest']}"
    return f"{path}:@{facts['images'].index(image)}"


def check_image(name, path, facts, image):
    where = f"{name} {image_id(image)[:19]}"
    argument = select(path, facts, image)
    run = checks.run("imginspect", argument)
    if not checks.succeeds(f"{where}: imginspect", run):
        return
    [got] = run.json()
    same = lambda key, found, expected: checks.same(f"{where}: imginspect {key}", found, expected, run)
    same("Id", got["Id"], image_id(image))
    same("RepoTags", sorted(got["RepoTags"]), names_of(facts, image))
    same("Architecture", got["Architecture"], image["architecture"])
    same("Os", got["Os"], image["os"])
    same("Variant", got.get("Variant", ""), image.get("variant", ""))
    same("Created", got["Created"], image["created"])
    same("Author", got["Author"], image["author"] or "")
    # Docker before 1.10 recorded no diff IDs. expected.json holds those of its layers; imginspect, which hashes nothing
    # that it need not, tells none.
    recorded = image["diff_ids"] if "config_digest" in image else []
    same("RootFS.Layers", got["RootFS"].get("Layers", []), recorded)
    same("Layers, their number", len(got["Layers"]), len(image["diff_ids"]))
    for key, value in (image["config"] or {}).items():
        if value:
            same(f"Config.{key}", got["Config"].get(key), value)
    layers = image.get("layers", [])
    if layers:
        same("Layers[].DiffID", [l["DiffID"] for l in got["Layers"]], image["diff_ids"])
        same("Layers[].Present", [l["Present"] for l in got["Layers"]], [l["present"] for l in layers])
        here = [(l, x) for l, x in zip(got["Layers"], layers) if x["present"]]
        same("Layers[].StoredBytes", [l["StoredBytes"] for l, _ in here], [x["size"] for _, x in here])
        same("Layers[].Compression", [l["Compression"] for l, _ in here], [x["compression"] or "none" for _, x in here])
        same("Layers[].Digest", [l["Digest"] for l, _ in here], [x.get("digest") for _, x in here])
        same("Layers[].MediaType", [l["MediaType"] for l, _ in here], [x.get("media_type") for _, x in here])
    if "manifest_digest" in image:
        same("Descriptor.digest", got["Descriptor"]["digest"], image["manifest_digest"])
        if image["manifest_media_type"]:
            same("Descriptor.mediaType", got["Descriptor"]["mediaType"], image["manifest_media_type"])
        raw = checks.run("imginspect", "--raw", "manifest", argument)
        algorithm = image["manifest_digest"].split(":")[0]
        same("--raw manifest", f"{algorithm}:{hashlib.new(algorithm, raw.out).hexdigest()}", image["manifest_digest"])
    if "config_digest" in image:
        raw = checks.run("imginspect", "--raw", "config", argument)
        same("--raw config", sha(raw.out), image["config_digest"])

    run = checks.run("imghistory", "--no-trunc", "--format", "json", argument)
    if checks.succeeds(f"{where}: imghistory", run) and "history" in image:
        rows, history = run.rows(), image["history"][::-1]
        for key, theirs in (("CreatedBy", "created_by"), ("Comment", "comment")):
            checks.same(f"{where}: imghistory {key}", [r[key] for r in rows], [h.get(theirs, "") for h in history], run)
        made = [r["DiffID"] for r in rows[::-1] if not r["EmptyLayer"]]
        checks.same(f"{where}: imghistory DiffID", made, image["diff_ids"], run)

    for said in facts.get("docker", []):
        if said["inspect"]["Id"] != got["Id"]:
            continue
        for key in INSPECT:
            found, expected = got.get(key), said["inspect"].get(key)
            if key == "RepoTags":
                found, expected = sorted(found), sorted(expected)
            if key == "Size" and is_relative(facts):
                continue
            checks.same(f"{where}: docker image inspect {key}", found, expected)
        checks.same(f"{where}: docker history, number of rows", len(rows), len(said["history"]))
        for key in HISTORY:
            if key == "Size" and is_relative(facts):
                continue
            checks.same(f"{where}: docker history {key}", [r[key] for r in rows], [r[key] for r in said["history"]])


def is_relative(facts):
    """Whether docker's sizes depend on what else its engine held.

    A layer that BuildKit makes is counted without its symbolic links, unless the engine has the same layer from another
    build, which is counted with them. The archive does not tell; testdata/make builds the same Dockerfile both ways.
    The corpus has an image that only BuildKit built, and there the sizes are compared.
    """
    steps = [step for said in facts.get("docker", []) for step in said["history"]]
    return any(step["Comment"].startswith("buildkit.") for step in steps)


def check_sound(name, path, facts):
    run = checks.run("imgverify", "--json", path)
    checks.succeeds(f"{name}: imgverify", run)
    [summary] = [row for row in run.rows() if row["Type"] == "summary"] or [{}]
    checks.same(f"{name}: imgverify Sound", summary.get("Sound"), True, run)
    checks.same(f"{name}: imgverify Images", summary.get("Images"), len(facts["images"]), run)
    checks.same(f"{name}: imgverify Sparse", summary.get("Sparse"), any(not row["present"] for row in facts.get("oci", [])), run)


def check_streams(name, path, data, pick):
    """The same bytes through a pipe, in whatever compression, have to get the same answers."""
    from_file = answers(checks, str(path), pick=pick)
    same_answers(checks, f"{name} < redirected", answers(checks, "-", stdin=path, pick=pick), from_file)
    same_answers(checks, f"cat {name} |", answers(checks, "-", stdin=data, pick=pick), from_file)
    if path.suffix == ".tar":
        for how in COMPRESSORS:
            same_answers(checks, f"{how} {name} |", answers(checks, "-", stdin=compressed(data, how), pick=pick), from_file)


def check_skopeo(name, path, facts):
    """A second opinion on raw bytes: of the one image of an OCI archive, of the named ones of a layout."""
    if name.endswith("sha512.tar"):
        return  # skopeo 1.9 knows no sha512
    roots = [d for d in facts.get("oci", []) if d["depth"] == 0 and d["role"] in ("image", "index")]
    if facts["kind"] == "tar":
        if len(roots) != 1:
            return  # skopeo 1.9 cannot choose in an archive by the names that containerd writes
        places = [(f"oci-archive:{path}", str(path), roots[0])]
    else:
        # Nor does it find docker's media types in a layout by name.
        roots = [d for d in roots if "vnd.oci." in d["media_type"]]
        named = [(d.get("annotations", {}).get("org.opencontainers.image.ref.name"), d) for d in roots]
        places = [(f"oci:{path}:{tag}", f"{path}:{tag}", d) for tag, d in named if tag]
    for theirs, ours, descriptor in places:
        expected = tool("skopeo", "inspect", "--raw", theirs)
        if descriptor["role"] == "index":
            # Ours is the manifest that was chosen, skopeo's the index that chooses: the walk's digest joins them.
            checks.same(f"{name}: skopeo inspect --raw {theirs} is the index of expected.json", sha(expected), descriptor["digest"])
        else:
            run = checks.run("imginspect", "--raw", "manifest", ours)
            checks.same(f"{name}: skopeo inspect --raw {theirs}", run.out.decode(), expected.decode(), run)


def check_umoci(name, path, tag):
    stat = json.loads(tool("umoci", "stat", "--json", "--image", f"{path}:{tag}"))["history"]
    run = checks.run("imghistory", "--no-trunc", "--format", "json", f"{path}:{tag}")
    rows = run.rows()[::-1]
    checks.same(f"{name}:{tag}: umoci stat, number of rows", len(rows), len(stat), run)
    checks.same(f"{name}:{tag}: umoci stat created_by", [r["CreatedBy"] for r in rows], [s.get("created_by", "") for s in stat], run)
    checks.same(f"{name}:{tag}: umoci stat diff_id", [r["DiffID"] for r in rows], [s["diff_id"] or None for s in stat], run)
    layers = [(s.get("layer") or {}).get("digest") for s in stat]
    checks.same(f"{name}:{tag}: umoci stat layer", [r["LayerDigest"] for r in rows], layers, run)


def main():
    expected = json.loads((FOREIGN / "expected.json").read_text())
    there = {p.name for p in FOREIGN.iterdir() if p.name not in ("expected.json", "hand-made")}
    there |= {f"hand-made/{p.name}" for p in (FOREIGN / "hand-made").iterdir()}
    checks.same("expected.json speaks of every archive", sorted(expected), sorted(there))
    with scratch() as folder:
        for name, facts in expected.items():
            path = FOREIGN / name
            if facts["format"] == "file-system-tar":
                for program in PROGRAMS:
                    checks.refused(f"{name}: {program}", checks.run(program, path), program, path)
                    checks.refused(f"cat {name} | {program}", checks.run(program, "-", stdin=path.read_bytes()), program, "-")
                continue
            if "same_as" in facts:
                facts = {**expected[facts["same_as"]], "kind": facts["kind"]}
            run = checks.run("imgls", "-a", "--digests", "--format", "json", path)
            checks.succeeds(f"{name}: imgls", run)
            rows = {(r["Kind"], name_of(r), r["ImageID"], r["Digest"]) for r in run.rows()}
            checks.same(f"{name}: imgls", sorted(map(str, rows)), sorted(map(str, expected_rows(facts))), run)
            for image in facts["images"]:
                check_image(name, path, facts, image)
            check_sound(name, path, facts)
            pick = ":@0" if len(facts["images"]) > 1 else ""
            if facts["kind"] == "tar":
                check_streams(name, path, path.read_bytes(), pick)
            else:
                packed = Path(folder) / f"{name.replace('/', '-')}.tar"
                packed.write_bytes(tool("tar", "-C", path, "-cf", "-", "."))
                check_streams(f"tar -c {name}", packed, packed.read_bytes(), pick)
            check_skopeo(name, path, facts)
    bundle = FOREIGN / "docker-multi.tar"
    for number, image in enumerate(expected["docker-multi.tar"]["images"]):
        for pick in (f"@{number}", *image["repo_tags"]):
            run = checks.run("imginspect", "--format", "{{.Id}}", f"-:{pick}", stdin=bundle.read_bytes())
            checks.same(f"cat docker-multi.tar | imginspect -:{pick}", run.out.decode().strip(), image_id(image), run)
    for tag in ("1", "latest"):
        check_umoci("umoci", FOREIGN / "umoci", tag)
    for tag in ("plain", "web"):
        check_umoci("skopeo-oci-dir", FOREIGN / "skopeo-oci-dir", tag)


main()
checks.done()
