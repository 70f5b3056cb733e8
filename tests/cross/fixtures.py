#!/usr/bin/env python3
"""Archives of public projects, row by row of their MANIFEST.md, which says what a reader has to report of each.

    tests/cross/fixtures.py FOLDER

Trees and tar entries are not compared: none of the programs shows them.
"""
import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

from imgkit import PROGRAMS, Checks, short_name

# The registry hosts that the manifest writes as HOST.
HOST = r"[^/]+"
# Layers that match their digests and are no tar although their media type says so. The manifest speaks of digests only.
NOT_A_TAR = {"oci-two-same-refs.d": "layer blobs are text, and not what the diff IDs say"}

checks = Checks("fixtures")


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def table(folder):
    """(name, what a reader must report) of each row."""
    for line in (folder / "MANIFEST.md").read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) >= 7 and cells[1].startswith("`"):
            yield cells[1].strip("`"), cells[5]


def matches(name, pattern):
    return re.fullmatch(re.escape(pattern).replace("HOST", HOST), name) is not None


def listed(name, path):
    """The rows of imgls. Damage may make it exit 2; it may not keep the rest from being listed."""
    run = checks.run("imgls", "-a", "--digests", "--format", "json", path)
    rows = run.rows()
    names = [":".join(p for p in (r["Repository"], r["Tag"]) if p != "<none>") for r in rows]
    return run, rows, names


def verified(name, path, damaged_by=()):
    """imgverify's findings and summary, with an exit status that fits what the manifest tells."""
    run = checks.run("imgverify", "--json", path)
    rows = run.rows()
    findings = [row for row in rows if row["Type"] == "finding"]
    summary = next((row for row in rows if row["Type"] == "summary"), {})
    codes = sorted({f["Code"] for f in findings if f["Severity"] == "error"})
    if damaged_by:
        checks.true(f"{name}: imgverify finds {damaged_by}", run.code == 1 and codes, f"exit {run.code}, errors {codes}")
    else:
        told = [f"{': '.join(f['Places'])}: {f['Message']} [{f['Code']}]" for f in findings if f["Severity"] == "error"]
        checks.same(f"{name}: imgverify finds no damage", [run.code, told], [0, []], run)
    return findings, summary


def blobs_of(findings, *codes):
    """The distinct blobs that findings are about."""
    texts = [" ".join([*f["Places"][-1:], f["Message"]]) for f in findings if f["Code"] in codes]
    return {re.search(r"[0-9a-f]{64}", text).group() for text in texts}


def inspected(name, argument):
    run = checks.run("imginspect", "--", argument)
    value = run.json()
    if not checks.true(f"{name}: imginspect {argument} succeeds", run.code == 0 and value, f"exit {run.code}: {run.err.strip()}"):
        return None
    return value[0]


def check_docker(name, path, report):
    """`N images in manifest.json: tags […]; K layers, diff ids ok M; config sha256 … / tags …`"""
    count, text = re.match(r"(\d+) images? in manifest\.json: (.*)", report).groups()
    items = text.split("; index.json:")[0].split(" / tags ")
    checks.same(f"{name}: the manifest's own count", len(items), int(count))
    run, rows, names = listed(name, path)
    checks.same(f"{name}: imgls, exit", run.code, 0, run)
    checks.same(f"{name}: imgls, number of images", len({r["ImageID"] for r in rows}), int(count), run)
    findings, summary = verified(name, path)
    checks.same(f"{name}: imgverify Images", summary.get("Images"), int(count))
    checks.same(f"{name}: imgverify, no diff ID differs", blobs_of(findings, "diff-id-mismatch"), set())
    for number, item in enumerate(items):
        tags, layers, ok, config = re.match(
            r"(?:tags )?(none|\[.*?\]); (\d+) layers, diff ids ok (\d+); config sha256 ([0-9a-f]{64})", item).groups()
        tags = [] if tags == "none" else json.loads(tags)
        where = f"{name}:@{number}"
        image = inspected(where, f"{path}:@{number}")
        if not image:
            continue
        checks.same(f"{where}: Id", image["Id"], f"sha256:{config}")
        checks.same(f"{where}: layers", [len(image["RootFS"].get("Layers", [])), int(ok)], [int(layers)] * 2)
        shown = [n for n, r in zip(names, rows) if r["ImageID"] == f"sha256:{config}"]
        for what, found in (("RepoTags", image["RepoTags"]), ("imgls, names", [n for n in shown if n])):
            fits = len(found) == len(tags) and all(any(matches(f, t) for f in found) for t in tags)
            checks.true(f"{where}: {what}", fits, f"expected {tags}, found {found}")


def walk(layout):
    """A second reader of a layout: the number of indexes, and (digest, image config or None, layers, is artifact) of every manifest."""
    seen, found, indexes = set(), [], 0
    queue = json.loads((layout / "index.json").read_text())["manifests"] or []
    for descriptor in queue:
        digest = descriptor["digest"]
        blob = layout / "blobs" / digest.replace(":", "/")
        if digest in seen or not blob.exists():
            continue
        seen.add(digest)
        document = json.loads(blob.read_bytes())
        if "manifests" in document:
            indexes += 1
            queue.extend(document["manifests"])
            continue
        config = document.get("config", {})
        image = config.get("mediaType") in ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
        found.append((digest, config["digest"] if image else None, len(document.get("layers", [])), "artifactType" in document))
    return indexes, found


def check_index(name, path, report):
    """`index.json: D descriptors, refs […]; I indexes + M manifests reachable, C with a container-image config; …`"""
    text = report[report.index("index.json: "):]
    descriptors, refs, indexes, manifests, images = re.match(
        r"index\.json: (\d+) descriptors?, refs (none|\[.*?\]); (\d+) indexes \+ (\d+) manifests reachable, (\d+) with a container-image config",
        text).groups()
    also_docker = "in manifest.json" in report
    run, rows, names = listed(name, path)
    names = [n for n in names if n]
    damaged_manifests = path.is_dir() and any(
        blob.exists() and sha(blob.read_bytes()) != digest
        for digest in (d["digest"] for d in json.loads((path / "index.json").read_text())["manifests"] or [])
        for blob in [path / "blobs" / digest.replace(":", "/")])
    if damaged_manifests:
        # What a manifest says that is not the bytes of its digest need not be listed: it has to be said.
        checks.true(f"{name}: imgls says the damage", run.code == 2 and "mismatch" in run.err, run.err)
    elif not also_docker:
        # One row for each descriptor; one without a name beside one with a name for the same thing adds none.
        raw = checks.run("imginspect", "--raw", "index", path)
        index = json.loads(raw.out or b"{}").get("manifests", [])
        checks.same(f"{name}: --raw index, descriptors", len(index), int(descriptors), raw)
        checks.true(f"{name}: imgls, a row for each descriptor", len(rows) in (int(descriptors), len({d['digest'] for d in index})), f"expected {descriptors}, found {len(rows)}: {run.err.strip()}")
    if refs != "none":
        refs = json.loads(refs)
        in_all = re.match(r"\.\.\. (\d+) in all", refs[-1])
        if in_all:
            refs.pop()
            checks.same(f"{name}: imgls, number of different names", len(set(names)), int(in_all[1]), run)
        else:
            checks.same(f"{name}: imgls, number of names", len(names), len(refs), run)
        for ref in refs:
            # A full name beside the tag alone (io.containerd.image.name) is shown instead of it.
            fits = any(n == short_name(ref) or n.endswith(f":{ref}") for n in names)
            checks.true(f"{name}: imgls shows {ref}", fits, f"found {names}")
    missing = re.search(r"missing blobs (\d+)", text)
    wrong = re.search(r"blobs with wrong digest or size (\d+)", text)
    damage = ", ".join(m.group() for m in (missing, wrong) if m) or NOT_A_TAR.get(name, "")
    findings, summary = verified(name, path, damage)
    if missing:
        checks.same(f"{name}: blobs that imgverify misses", len(blobs_of(findings, "blob-absent")), int(missing[1]))
    if wrong:
        bad = blobs_of(findings, "digest-mismatch", "size-mismatch")
        checks.same(f"{name}: blobs with a wrong digest or size", len(bad), int(wrong[1]))
    configs = re.findall(r"sha256:([0-9a-f]{64})", re.search(r"configs? sha256:.*", text)[0]) if "config sha256:" in text or "configs sha256:" in text else []
    summed = re.search(r"(\d+) distinct configs, sha256 of their sorted digests one per line: ([0-9a-f]{64})", text)
    if path.is_dir() and not wrong:
        # The walk only says which manifests there are to ask imgkit for.
        found_indexes, found = walk(path)
        checks.same(f"{name}: reachable", [found_indexes, len(found)], [int(indexes), int(manifests)])
        checks.same(f"{name}: manifests with an image config", sum(config is not None for _, config, _, _ in found), int(images))
        # The manifest counts configs. What calls itself an artifact is none of imgkit's images, whatever its config is.
        artifacts = sum(config is not None and artifact for _, config, _, artifact in found)
        checks.same(f"{name}: imgverify Images", summary.get("Images"), int(images))
        ids = set()
        for digest, config, layers, artifact in found:
            if config is None or artifact:
                continue
            image = inspected(name, f"{path}@{digest}") if not damage else {"Id": None}
            raw = checks.run("imginspect", "--raw", "manifest", "--", f"{path}@{digest}")
            checks.same(f"{name}: --raw manifest {digest[:19]}", sha(raw.out), digest, raw)
            if not damage and image:
                ids.add(image["Id"])
                checks.same(f"{name}: {digest[:19]} layers", len(image["Layers"]), layers)
            elif damage:
                ids.add("sha256:" + hashlib.sha256(checks.run("imginspect", "--raw", "config", "--", f"{path}@{digest}").out).hexdigest())
    else:
        ids = {r["ImageID"] for r in rows if r["Kind"] == "image"}
        if not also_docker:
            checks.same(f"{name}: imgverify Images", summary.get("Images"), int(images))
    if configs and not damaged_manifests:
        checks.same(f"{name}: configs", sorted(ids), sorted(f"sha256:{c}" for c in configs), run)
    if summed:
        checks.same(f"{name}: configs, their number", len(ids), int(summed[1]))
        checks.same(f"{name}: configs, their sum", sha("".join(f"{i}\n" for i in sorted(ids)).encode()), f"sha256:{summed[2]}")


def check_v1(name, path, report):
    repositories, layers = re.match(r"no manifest\.json; repositories (\{.*\}); (\d+) v1 layers", report).groups()
    run, rows, _ = listed(name, path)
    expected = sorted((repo, tag, v1) for repo, tags in json.loads(repositories).items() for tag, v1 in tags.items())
    checks.same(f"{name}: imgls", sorted((r["Repository"], r["Tag"], r["ImageID"][:12]) for r in rows), expected, run)
    _, summary = verified(name, path)
    checks.same(f"{name}: layers", summary.get("Layers"), int(layers))


def check_dir(name, path, report):
    layers, present, config, manifest = re.match(
        r"1 image, (\d+) layers \((\d+) present\), config (sha256:\w+), manifest (sha256:\w+)", report).groups()
    image = inspected(name, str(path))
    verified(name, path)
    if image:
        checks.same(f"{name}: Id", image["Id"], config)
        checks.same(f"{name}: Descriptor.digest", image["Descriptor"]["digest"], manifest)
        checks.same(f"{name}: layers", [len(image["Layers"]), sum(l["Present"] for l in image["Layers"])], [int(layers), int(present)])
    raw = checks.run("imginspect", "--raw", "manifest", path)
    checks.same(f"{name}: --raw manifest", sha(raw.out), manifest, raw)


def check_document(name, path, report):
    media_type, version, digest = re.match(r"mediaType (\S+), schemaVersion (\d); digest (\S+)", report).groups()
    run, rows, _ = listed(name, path)
    checks.same(f"{name}: imgls Digest", [r["Digest"] for r in rows], [digest], run)
    is_index = any(word in media_type for word in (".index.", ".list."))
    kind = "index" if is_index else "unknown" if version == "1" else "image"
    checks.same(f"{name}: imgls Kind", [r["Kind"] for r in rows], [kind], run)
    # Docker's schema 1 is no image to imgkit: the document is all that it shows.
    document = "manifest" if kind == "image" else "index"
    raw = checks.run("imginspect", "--raw", document, path)
    checks.same(f"{name}: --raw {document}", sha(raw.out), digest, raw)
    told = json.loads(raw.out).get("mediaType", "None") if raw.out else None
    checks.same(f"{name}: media type", told, media_type, raw)


def check_registry(name, path, report):
    """`N repository: {name: [tag, …]}; M blobs (0 with wrong digest), K manifest revisions`, in a tar."""
    count, text, blobs = re.match(r"(\d+) repository: (\{.*\}); (\d+) blobs \(0 with wrong digest\)", report).groups()
    wanted = {f"{repository}:{tag}": None for repository, tags in json.loads(text).items() for tag in tags}
    checks.same(f"{name}: the manifest's own count", len({name.split(":")[0] for name in wanted}), int(count))
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    checks.same(f"{name}: blobs", len([member for member in members if member.endswith("/data")]), int(blobs))
    for wanted_name in wanted:
        repository, tag = wanted_name.split(":")
        link = f"docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link"
        wanted[wanted_name] = members[link].decode()
    run, rows, _ = listed(name, path)
    checks.same(f"{name}: imgls, exit", run.code, 0, run)
    checks.same(f"{name}: imgls, names and digests", {f"{r['Repository']}:{r['Tag']}": r["Digest"] for r in rows}, wanted)
    verified(name, path)


def check_refused(name, path):
    for program in PROGRAMS:
        checks.refused(f"{name}: {program}", checks.run(program, path), program, path)
        if path.is_file():
            checks.refused(f"{name} | {program}", checks.run(program, "-", stdin=path.read_bytes()), program, "-")


def main():
    folder = Path(sys.argv[1])
    rows = list(table(folder))
    there = sorted(p.name for p in folder.iterdir() if p.name != "MANIFEST.md")
    checks.same("MANIFEST.md speaks of every file", sorted(name for name, _ in rows), there)
    for name, report in rows:
        path = folder / name
        known = False
        if name.startswith(("tar-", "hello.", "not-image-", "store-")) or "error expected" in report:
            check_refused(name, path)
            continue
        if re.match(r"\d+ repository: ", report):
            check_registry(name, path, report)
            known = True
        if re.match(r"\d+ images? in manifest\.json", report):
            check_docker(name, path, report)
            known = True
        if "index.json: " in report:
            check_index(name, path, report)
            known = True
        for prefix, check in (("no manifest.json; repositories", check_v1), ("1 image, ", check_dir), ("mediaType ", check_document)):
            if report.startswith(prefix):
                check(name, path, report)
                known = True
        checks.true(f"{name}: the row of the manifest is understood", known, report)
        if path.is_file():
            run, from_file, _ = listed(name, path)
            piped = checks.run("imgls", "-a", "--digests", "--format", "json", "-", stdin=path.read_bytes())
            cut = lambda rows: [{k: v for k, v in r.items() if k not in ("Archive", "CreatedSince")} for r in rows]
            checks.same(f"cat {name} | imgls -", [piped.code, cut(piped.rows())], [run.code, cut(from_file)], piped)


main()
checks.done()
