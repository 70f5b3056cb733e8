#!/usr/bin/env python3
"""Real archives of up to a gigabyte against what docker, podman, skopeo, umoci and openssl say of them.

    tests/cross/corpus.py FOLDER      as make-corpus makes it; nothing in it is changed

Not compared: the number of tar entries of a layer, which no program shows yet.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

from imgkit import BIN, ENV, PROGRAMS, REPO, Checks, answers, same_answers, scratch, tell, tool, without

INSPECT = ["Id", "Created", "Author", "Config", "Architecture", "Os", "Size", "RootFS"]
HISTORY = ["CreatedBy", "Comment", "CreatedAt", "Size"]
ANONYMOUS = 20_000_000
# Decoding zstd takes a window of 8 MB for each layer that is decoded at a time: of two threads, two. imgverify puts the
# layers on top of each other besides, and keeps some 300 bytes of each of 15,000 paths for that.
DECODING = ["-j", "2"], 30_000_000
# Names and headers of a gigabyte, in seconds of a processor because the machine is busy with other checks: a bound
# against reading it all, which takes longer than that, not a benchmark.
QUICK = 0.1

checks = Checks("corpus")


def image_of(place):
    run = checks.run("imginspect", place)
    checks.succeeds(f"imginspect {Path(place).name}", run)
    return (run.json() or [{}])[0]


def check_facts(corpus):
    """Word for word what the engine said of the image before it saved it."""
    saved = {}
    for archive in sorted(corpus.glob("*.tar")):
        if archive.name in ("base.tar", "classic-oci.tar", "committed.tar"):
            continue
        with tarfile.open(archive) as tar:
            for item in json.load(tar.extractfile("manifest.json")):
                saved.setdefault("sha256:" + item["Config"].removesuffix(".json"), []).append((archive, item["RepoTags"]))
    for facts in sorted((corpus / "facts").glob("*.inspect.json")):
        name = facts.name.split(".")[0]
        [docker] = json.loads(facts.read_text())
        history = [json.loads(line) for line in (corpus / "facts" / f"{name}.history.ndjson").read_text().splitlines()]
        checks.true(f"{name}: an archive holds it", docker["Id"] in saved)
        for archive, tags in saved.get(docker["Id"], []):
            where = f"{archive.name}:{tags[0]}"
            image = image_of(f"{archive}:{tags[0]}")
            for key in INSPECT:
                checks.same(f"{where}: docker image inspect {key}", image.get(key), docker[key])
            checks.same(f"{where}: RepoTags, those that were saved", sorted(image.get("RepoTags", [])), sorted(tags))
            checks.true(f"{where}: docker image inspect RepoTags", set(image.get("RepoTags", [])) <= set(docker["RepoTags"]))
            run = checks.run("imghistory", "--no-trunc", "--format", "json", f"{archive}:{tags[0]}")
            rows = run.rows()
            checks.same(f"{where}: docker history, number of rows", len(rows), len(history), run)
            for key in HISTORY:
                checks.same(f"{where}: docker history {key}", [r[key] for r in rows], [r[key] for r in history])


def check_open_and_sound(corpus):
    for place in [*sorted(p for p in corpus.glob("*.tar") if p.name != "base.tar"), corpus / "oci", corpus / "dir"]:
        run = checks.run("imgls", "--format", "json", place)
        checks.succeeds(f"imgls {place.name}", run)
        checks.true(f"imgls {place.name}: it lists images", run.rows(), tell(run))
        run = checks.run("imgverify", place)
        checks.true(f"imgverify {place.name}: ok", run.code == 0 and not run.err, run.out.decode()[:500] + tell(run))
    for program in PROGRAMS:
        checks.refused(f"base.tar: {program}", checks.run(program, corpus / "base.tar"), program, corpus / "base.tar")


def check_shapes(corpus):
    """One image in four shapes: the layers stay, and so does the config where nobody converts it."""
    shapes = {p: image_of(f"{corpus}/{p}") for p in ("classic.tar", "classic-oci.tar", "oci:classic", "dir")}
    expected = shapes["classic.tar"]
    for place, image in shapes.items():
        checks.same(f"{place}: diff IDs as in classic.tar", image["RootFS"], expected["RootFS"])
        checks.same(f"{place}: Size as in classic.tar", image["Size"], expected["Size"])
    checks.same("dir: Id as in classic.tar", shapes["dir"]["Id"], expected["Id"])
    checks.same("oci:classic: Id as in classic-oci.tar", shapes["oci:classic"]["Id"], shapes["classic-oci.tar"]["Id"])
    for place in ("oci:big", "oci:big-zstd"):
        checks.same(f"{place}: diff IDs as in big.tar", image_of(f"{corpus}/{place}")["RootFS"], image_of(f"{corpus}/big.tar")["RootFS"])


def check_second_opinions(corpus):
    for theirs, ours in [
        *((f"oci:{corpus}/oci:{tag}", f"{corpus}/oci:{tag}") for tag in ("classic", "big", "big-zstd")),
        (f"oci-archive:{corpus}/classic-oci.tar", f"{corpus}/classic-oci.tar"),
        (f"dir:{corpus}/dir", f"{corpus}/dir"),
    ]:
        for what, flags in (("manifest", ["--raw"]), ("config", ["--config", "--raw"])):
            expected = tool("skopeo", "inspect", *flags, theirs)
            run = checks.run("imginspect", "--raw", what, ours)
            checks.true(f"skopeo inspect {' '.join(flags)} {theirs.replace(str(corpus), '…')}: the same bytes", run.out == expected, tell(run))
    for name in ("classic", "buildkit", "big"):
        # skopeo makes up a manifest for a docker-archive, but passes its config on as it is.
        expected = tool("skopeo", "inspect", "--config", "--raw", f"docker-archive:{corpus}/{name}.tar")
        run = checks.run("imginspect", "--raw", "config", corpus / f"{name}.tar")
        checks.true(f"skopeo inspect --config --raw {name}.tar: the same bytes", run.out == expected, tell(run))
    for tag in ("classic", "big"):
        stat = json.loads(tool("umoci", "stat", "--json", "--image", f"{corpus}/oci:{tag}"))["history"]
        rows = checks.run("imghistory", "--no-trunc", "--format", "json", f"{corpus}/oci:{tag}").rows()[::-1]
        for ours, theirs in (("CreatedBy", "created_by"), ("Comment", "comment"), ("DiffID", "diff_id"), ("Created", "created")):
            empty = None if ours in ("DiffID", "Created") else ""
            found, expected = [r[ours] or empty for r in rows], [s.get(theirs) or empty for s in stat]
            checks.same(f"umoci stat oci:{tag} {theirs}", found, expected)
        checks.same(f"umoci stat oci:{tag} layer", [r["LayerDigest"] for r in rows], [(s.get("layer") or {}).get("digest") for s in stat])


def check_podman(corpus, folder):
    """podman loads, and takes the image for the same one."""
    podman = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
    small = REPO / "testdata" / "foreign"
    try:
        for archive in (corpus / "classic.tar", small / "docker-classic.tar", small / "docker-buildkit.tar", small / "podman-oci.tar"):
            tool(*podman, "load", "-qi", archive)
            image = image_of(str(archive))
            [podmans] = json.loads(tool(*podman, "image", "inspect", image["Id"].removeprefix("sha256:")))
            checks.same(f"podman image inspect {archive.name}: Id", image["Id"], f"sha256:{podmans['Id']}")
            checks.same(f"podman image inspect {archive.name}: layers", image["RootFS"]["Layers"], podmans["RootFS"]["Layers"])
            for key in ("Architecture", "Os", "Author"):
                checks.same(f"podman image inspect {archive.name}: {key}", image[key], podmans[key])
            tool(*podman, "rmi", "-af")
    finally:
        tool(*podman, "system", "reset", "-f", check=False)


def check_pipes(corpus):
    """big.tar from a pipe, a compressor and a redirection, as from the file."""
    big = corpus / "big.tar"
    expected = answers(checks, str(big))
    same_answers(checks, "prog < big.tar", answers(checks, "-", stdin=big), expected)
    drop = ("Archive", "CreatedSince")
    reading = {
        "imgls": ["-a", "--digests", "--format", "json"],
        "imginspect": [],
        "imghistory": ["--no-trunc", "--format", "json"],
        "imgverify": ["--json"],
    }
    for how, feeder in (("cat", ["cat", big]), ("zstd -c", ["zstd", "-1qc", big])):
        for program, flags in reading.items():
            with subprocess.Popen(feeder, stdout=subprocess.PIPE) as feed:
                command = [BIN / program, *flags, "-"]
                done = subprocess.run(command, stdin=feed.stdout, env=ENV, capture_output=True, timeout=600)
            value = json.loads(done.stdout) if program == "imginspect" else [json.loads(line) for line in done.stdout.splitlines()]
            value = without(value, *drop)
            if program == "imgverify":
                value = sorted(json.dumps(row, sort_keys=True) for row in value)
            checks.same(f"{how} big.tar | {program} -", [done.returncode, value], list(expected[program][:2]))


def measured(command, stdin=None):
    """(seconds, peak of anonymous memory, peak of resident memory) of a run that has to succeed.

    Anonymous memory is what the program itself takes. The resident peak counts the pages of a mapped file too, which
    the kernel gives and takes as it pleases; it is asked of time(1), as a child of this process would inherit its own.
    """
    peak, done, program = 0, threading.Event(), os.path.realpath(command[0])
    start = time.perf_counter()
    timed = ["time", "-q", "-f", "%M", *map(str, command)]
    process = subprocess.Popen(timed, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENV)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def sample():
        nonlocal peak
        while not done.is_set():
            try:
                for child in children.read_text().split():
                    if os.readlink(f"/proc/{child}/exe") == program:
                        rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
                        peak = max(peak, int(rollup.split("Anonymous:")[1].split()[0]) << 10)
            except (OSError, IndexError):
                pass
            time.sleep(0.002)

    sampler = threading.Thread(target=sample)
    sampler.start()
    said = process.communicate()[1].decode()
    seconds = time.perf_counter() - start
    done.set()
    sampler.join()
    if process.returncode:
        sys.exit(f"{command} failed: {said}")
    return seconds, peak, int(said.split()[-1]) << 10


def check_cost(corpus):
    big = corpus / "big.tar"
    ways = {
        "from the file": ([str(big)], None),
        "redirected": (["-"], big),
        "from a pipe": (["-"], ["cat", big]),
        "from a pipe, zstd": (["-"], ["zstd", "-1qc", big]),
        "zstd layers, two threads": ([*DECODING[0], f"{corpus}/oci:big-zstd"], None),
    }
    for program in PROGRAMS:
        for way, (args, source) in ways.items():
            feeder = subprocess.Popen(source, stdout=subprocess.PIPE) if isinstance(source, list) else None
            stdin = feeder.stdout if feeder else open(source, "rb") if source else None
            seconds, anonymous, resident = measured([(BIN / program).absolute(), *args], stdin)
            if stdin:
                stdin.close()
            if feeder:
                feeder.wait()
            # Too short to be seen by the sampler: then all that was resident has to fit.
            peak = anonymous or resident
            print(f"{program}, big, {way}: {seconds:.3f} s, {anonymous / 1e6:.1f} MB anonymous, {resident / 1e6:.1f} MB resident")
            bound = DECODING[1] if "layers" in way else ANONYMOUS
            checks.true(f"{program}, big, {way}: anonymous memory under {bound / 1e6:.0f} MB", peak < bound, f"{peak / 1e6:.1f} MB")
    for program in PROGRAMS[:3]:
        best = min(spent([BIN / program, big]) for _ in range(5))
        print(f"{program} big.tar: {best * 1000:.1f} ms of a processor, best of 5")
        checks.true(f"{program} big.tar within {QUICK * 1000:.0f} ms of a processor", best < QUICK, f"{best * 1000:.1f} ms")
    verify = min(timed([BIN / "imgverify", big]) for _ in range(3))
    openssl = min(timed(["openssl", "dgst", "-sha256", big]) for _ in range(3))
    print(f"imgverify big.tar: {verify:.2f} s, openssl dgst -sha256: {openssl:.2f} s, ratio {verify / openssl:.2f}")


def timed(command):
    start = time.perf_counter()
    subprocess.run(command, env=ENV, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def spent(command):
    """Seconds of a processor, the program's own and the kernel's for it."""
    process = subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed: {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def largest(archive):
    """(name, offset of its bytes, size) of the largest member."""
    with tarfile.open(archive) as tar:
        member = max((m for m in tar if m.isreg()), key=lambda m: m.size)
    return member.name, member.offset_data, member.size


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def check_damage(corpus, folder):
    """One bit of the largest layer: exit 1, and the layer is named. A file's contents, so that only its hash can tell."""
    for name in ("classic.tar", "classic-oci.tar"):
        copy = Path(folder) / name
        shutil.copyfile(corpus / name, copy)
        member, offset, size = largest(copy)
        flip(copy, offset + size // 2)
        for way, run in (("", checks.run("imgverify", copy)), ("cat … | ", checks.run("imgverify", "-", stdin=copy.read_bytes()))):
            lines = run.out.decode().splitlines()
            named = [line for line in lines if line.startswith("error: ") and member in line and "mismatch" in line]
            checks.true(f"{way}imgverify of a damaged {name}: exit 1, names {member[:20]}…", run.code == 1 and named, f"{lines[:4]} {tell(run)}")
            checks.true(f"{way}imgverify of a damaged {name}: says which layer of how many", any(" of 6" in line for line in named), f"{named[:2]}")
        copy.unlink()
    blob = max((corpus / "dir").iterdir(), key=lambda p: p.stat().st_size)
    copy = Path(folder) / "dir"
    shutil.copytree(corpus / "dir", copy)
    flip(copy / blob.name, blob.stat().st_size // 2)
    run = checks.run("imgverify", copy)
    checks.true("imgverify of a damaged dir: exit 1, names the blob", run.code == 1 and blob.name.encode() in run.out, tell(run))
    shutil.rmtree(copy)


def check_truncations(corpus, folder):
    """Cut short anywhere before its end marker, an archive is refused or called damaged, in one line."""
    for source in (corpus / "classic.tar", corpus / "classic-oci.tar", REPO / "testdata/foreign/docker-classic.tar", REPO / "testdata/foreign/skopeo-oci.tar"):
        with tarfile.open(source) as tar:
            end = max(m.offset_data + m.size for m in tar)
        copy = Path(folder) / source.name
        shutil.copyfile(source, copy)
        # From the end to the start, so that one copy does; on and off the 512 that a tar is made of.
        for step in range(19, -1, -1):
            length = end * step // 20 // 512 * 512 + (0, 1, 511, 256)[step % 4] if step else 100
            os.truncate(copy, length)
            for program in ("imgverify", "imgls"):
                run = checks.run(program, copy)
                # imgls reads headers and documents only: what it lists of an archive whose tail is gone is there.
                codes = (1, 2) if program == "imgverify" else (0, 2)
                lines = [line for line in run.err.splitlines() if not line.startswith("hint: ")]
                clear = not lines if run.code in (0, 1) else len(lines) == 1 and lines[0].startswith(f"{program}: {copy}: ")
                checks.true(f"{source.name} cut at {length}: {program}", run.code in codes and clear, tell(run))
            if copy.stat().st_size < 100 << 10 or step % 7 == 0:
                run = checks.run("imgverify", "-", stdin=copy.read_bytes())
                checks.true(f"{source.name} cut at {length}, piped: imgverify", run.code in (1, 2), tell(run))
        copy.unlink()


def main():
    corpus = Path(sys.argv[1]).resolve()
    with scratch() as folder:
        for step in (check_facts, check_open_and_sound, check_shapes, check_second_opinions, check_pipes, check_cost,
                     check_damage, check_truncations, check_podman):
            start = time.perf_counter()
            step(corpus, folder) if step.__code__.co_argcount == 2 else step(corpus)
            print(f"{step.__name__}: {time.perf_counter() - start:.1f} s", flush=True)


main()
checks.done()
