#!/usr/bin/env python3
"""Dockerfiles built, reconstructed by imghistory --dockerfile --extract, and built again: the same image comes out.

    tests/cross/dockerfile.py [IMAGE]

IMAGE is an image of the engine with a shell to build upon (debian:bookworm). DOCKER_HOST names a private engine, which
has to know both builders: the classic one and BuildKit. Compared are the config as docker shows it and the root
filesystem as docker exports it, times aside.
"""
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

from builders import PATH, Buildah, Failed, Meaning, run as call, small_root
from imgkit import Checks, scratch

checks = Checks("dockerfile")
DOCKER = "/usr/bin/docker"
BASE = sys.argv[1] if len(sys.argv) > 1 else "debian:bookworm"
PREFIX = "dfround/"
made = []
if not os.environ.get("DOCKER_HOST"):
    sys.exit("dockerfile.py: DOCKER_HOST has to name an engine for tests")

EVERYTHING = r'''
FROM BASE AS tools
RUN mkdir /out && echo tool > /out/tool && chmod 750 /out/tool && chown 7:8 /out/tool

FROM BASE
MAINTAINER Somebody <some@body.example>
LABEL plain=1 "with blank"="a b" quoted="say \"hi\" to \$HOME" empty="" long="x y  z"
ARG RELEASE
ARG MODE="two words"
ARG PLAIN=1.2
ENV GREETING="hello   world" QUOTED="a \"b\" \\ c" DOLLAR="\$HOME" EMPTY="" ANOTHER=x
ENV OLD style of   value
COPY one.txt /etc/one.txt
COPY one.txt two.txt /srv/several/
COPY --chown=1000:1000 one.txt two.txt /srv/owned/
COPY folder /srv/folder
COPY ["with blank.txt", "/srv/a b/"]
COPY --from=tools /out/tool /usr/local/bin/
COPY --from=tools --chown=5 /out /opt/out
ADD some.tar /srv/unpacked/
ADD one.txt /srv/added
WORKDIR /srv/work
WORKDIR deeper
COPY two.txt .
COPY two.txt ./renamed
RUN echo "$MODE $PLAIN $RELEASE" > args && echo 'a   &&   b;  c' > quotes     && ln -s args link; \
    echo "$GREETING" > greeting
RUN ["/bin/sh", "-c", "echo exec form > exec"]
RUN ["touch", "one", "two"]
RUN rm -rf /srv/folder/gone && mkdir /srv/folder/gone && echo new > /srv/folder/gone/new
RUN true
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN echo "$BASH_VERSION" | sed 's/.*/bash/' > shell
ENV LATE="$GREETING again"
EXPOSE 80 53/udp 8000-8002
VOLUME ["/data", "/my data"]
VOLUME /logs
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=90s --timeout=3s --start-period=5s --retries=10 CMD curl -f "http://localhost/" || exit 1
ONBUILD COPY . /app
ONBUILD RUN echo "$HOME" && true
USER nobody:nogroup
ENTRYPOINT ["/bin/sh", "-c", "echo \"$0\" 'x'"]
CMD echo $HOME && echo "two  words"
'''
SMALL = {
    "health-none": "FROM BASE\nHEALTHCHECK NONE\nCMD [\"a\",\"b c\",\"d\\\\e\\\"f\"]\n",
    "entrypoint-resets": "FROM BASE\nENTRYPOINT [\"/bin/sh\"]\n",
    "entrypoint-shell": "FROM BASE\nENTRYPOINT exec sleep $TIME\nHEALTHCHECK --retries=32 CMD [\"true\"]\n",
    "arguments": "FROM BASE\nARG A=1\nARG B\nRUN echo \"$A|$B\" > /a\nARG A=x\nRUN echo \"$A|$B\" > /b\n",
    "scratch": "FROM scratch\nADD some.tar /\nCOPY folder /folder\nENV PATH=/x A=\"b c\"\nCMD [\"/x\"]\n",
    "modes": "FROM BASE\nCOPY modes /modes\nADD special.tar /\n",
}


def docker(*words, **options):
    done = subprocess.run([DOCKER, *map(str, words)], capture_output=True, timeout=600, **options)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(map(str, words))}: {done.stderr.decode(errors='replace').strip()[-2000:]}")
    return done.stdout


def build(tag, context, builder, *words):
    env = {**os.environ, "DOCKER_BUILDKIT": "1" if builder == "buildkit" else "0"}
    docker("build", "-q", "--network", "none", "--no-cache", "-t", tag, *words, context, env=env)
    made.append(tag)


def config(tag):
    """What docker shows of the config, without what tells one build from another."""
    image = json.loads(docker("image", "inspect", tag))[0]
    config = {key: value for key, value in image["Config"].items() if value not in (None, "", [], {}, False)}
    # BuildKit names the folder that is the default anyway.
    if config.get("WorkingDir") == "/":
        del config["WorkingDir"]
    for key in ("Image", "Hostname", "ArgsEscaped", "AttachStdin", "AttachStdout", "AttachStderr"):
        config.pop(key, None)
    # Builders give an image its first PATH, whatever the Dockerfile says.
    first = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    config["Env"] = [pair for pair in config.get("Env", []) if pair != first]
    return {**config, "Author": image["Author"], "Os": image["Os"], "Architecture": image["Architecture"]}


def rootfs(tag, tmp):
    """The files: kind, mode, owner, content or target, attributes; a hard link is what it leads to."""
    container = docker("create", "--network", "none", tag, "x").decode().strip()
    path = Path(tmp) / "export.tar"
    docker("export", "-o", path, container)
    docker("rm", "-f", container)
    files = {}
    with tarfile.open(path) as tar:
        for member in tar:
            xattrs = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr")}
            data = hashlib.sha256(tar.extractfile(member).read()).hexdigest() if member.isreg() else ""
            what = [member.type.decode(), oct(member.mode), member.uid, member.gid, member.size, data, member.linkname, xattrs]
            if member.islnk():
                what = files[member.linkname]
            files[member.name.rstrip("/")] = what
    path.unlink()
    return files


def differences(found, expected):
    names = sorted({*found, *expected})
    return [f"{name}: {found.get(name)} instead of {expected.get(name)}" for name in names if found.get(name) != expected.get(name)]


def contexts(folder):
    """What the Dockerfiles copy."""
    (folder / "folder/inner").mkdir(parents=True)
    (folder / "folder/gone").mkdir()
    (folder / "modes").mkdir()
    (folder / "one.txt").write_text("one\n")
    (folder / "two.txt").write_text("two\n")
    (folder / "with blank.txt").write_text("blank\n")
    (folder / "folder/file").write_text("in a folder\n")
    (folder / "folder/inner/deep").write_text("deep\n")
    (folder / "folder/gone/old").write_text("old\n")
    (folder / "folder/link").symlink_to("inner/deep")
    (folder / "folder/nowhere").symlink_to("/not/there")
    for mode in (0o600, 0o755, 0o4755, 0o2750, 0o444):
        path = folder / "modes" / oct(mode)
        path.write_text(f"{mode:o}\n")
        path.chmod(mode)
    for name, special in (("some.tar", False), ("special.tar", True)):
        with tarfile.open(folder / name, "w", format=tarfile.PAX_FORMAT) as tar:
            for member, kind, mode, owner in [("opt2", tarfile.DIRTYPE, 0o750, 0), ("opt2/file", tarfile.REGTYPE, 0o640, 3)]:
                info = tarfile.TarInfo(member)
                info.type, info.mode, info.uid, info.gid = kind, mode, owner, owner
                tar.addfile(info)
            info = tarfile.TarInfo("opt2/hard")
            info.type, info.linkname = tarfile.LNKTYPE, "opt2/file"
            tar.addfile(info)
            info = tarfile.TarInfo("opt2/soft")
            info.type, info.linkname = tarfile.SYMTYPE, "file"
            tar.addfile(info)
            if special:
                info = tarfile.TarInfo("opt2/fifo")
                info.type, info.mode = tarfile.FIFOTYPE, 0o622
                tar.addfile(info)
                info = tarfile.TarInfo("opt2/sticky")
                info.type, info.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(info)


def round_trip(name, tag, builders, tmp, base, needs_base=True):
    """Saves an image, reconstructs it, builds that with each builder, and compares."""
    saved = Path(tmp) / f"{name}.tar"
    docker("save", "-o", saved, tag)
    context = Path(tmp) / f"{name}.context"
    words = ["--base", base] if needs_base else []
    run = checks.run("imghistory", "--dockerfile", "--extract", context, *words, saved, timeout=600)
    if not checks.true(f"{name}: reconstructed", run.code == 0, run.err):
        return
    # What a history does not record is said: secrets, where the words of an exec form end, where ONBUILD stood.
    unrecorded = ("secret", "in the exec form: where its words end is not recorded", "where it stood is not known")
    contradicted = [line for line in run.err.splitlines() if not any(text in line for text in unrecorded)]
    checks.same(f"{name}: nothing is contradicted", contradicted, [], run)
    text = (context / "Dockerfile").read_text()
    expected_config, expected_files = config(tag), rootfs(tag, tmp)
    for builder in builders:
        again = f"{PREFIX}{name}-again-{builder}".lower()
        try:
            build(again, context, builder)
        except RuntimeError as error:
            checks.true(f"{name}: {builder} builds it again", False, f"{error}\n{text}")
            continue
        checks.same(f"{name}: {builder}: same config", config(again), expected_config)
        wrong = differences(rootfs(again, tmp), expected_files)
        checks.true(f"{name}: {builder}: same files", not wrong, "\n    ".join(wrong[:20]) + "\n" + text)
    saved.unlink()


PIECES = ["RUN ", "COPY ", "ADD ", "ENV ", "LABEL ", "ARG ", "CMD ", "ENTRYPOINT ", "HEALTHCHECK ", "ONBUILD ", "SHELL ",
          "VOLUME ", "EXPOSE ", "USER ", "WORKDIR ", "STOPSIGNAL ", "MAINTAINER ", "FROM ", "#(nop) ", " # buildkit", "|1 A=",
          "|2 ", "file:abc", " in ", "--chown=", "--from=x ", "--", "<<EOF", "\\", '"', "'", "`", "$", "${", "$(", ")", "[", "]",
          '["', '"]', '["a" "b"]', "{", "}", "&{[", "map[", "&&", "    ", ";", "#", "# escape=x", "\t", "=", "a=b", "a", "b c",
          "/", "/x", "\r", "\x1b[31m", "\u202e", "é", "😀", "*", "80", "1s", "NONE", "x" * 200]


def hostile(seed):
    """An image without layers whose history and config hold anything."""
    some = random.Random(seed)

    def text(line=False):
        made = "".join(some.choice(PIECES) for _ in range(some.randrange(12)))
        return made if line else made + some.choice(["", "", "\n", "\nb"])

    history = []
    for _ in range(30):
        # A line break in a RUN becomes a heredoc where BuildKit wrote it, which this engine is too old for.
        nop = some.choice(["/bin/sh -c ", "/bin/sh -c #(nop) ", "/bin/sh -c #(nop)  ", ""])
        comment = some.choice(["", "buildkit.dockerfile.v0", "FROM a/b:c", "x\ny"])
        history.append({"created_by": nop + text(not nop.startswith("/bin") or comment.startswith("b")), "comment": comment, "empty_layer": True})
    config = {"Env": [text(), "A=" + text()], "Cmd": [text()], "Entrypoint": [text(), "x"], "User": text(), "WorkingDir": text(),
              "StopSignal": text(), "OnBuild": [text(), "RUN x"], "Labels": {text(): text()}, "Volumes": {text(): {}},
              "ExposedPorts": {text(): {}}, "Healthcheck": {"Test": ["CMD-SHELL", text()]}, "Shell": [text(), "-c"]}
    document = {"os": "linux", "architecture": "amd64", "config": config, "history": history, "rootfs": {"type": "layers", "diff_ids": []}}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, value in (("config.json", document), ("manifest.json", [{"Config": "config.json", "RepoTags": None, "Layers": []}])):
            data = json.dumps(value).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def parser(folder, tmp):
    """Both builders parse all of a Dockerfile before they build one of its stages."""
    for seed in range(40):
        archive = Path(tmp) / "hostile.tar"
        archive.write_bytes(hostile(seed))
        run = checks.run("imghistory", "--dockerfile", archive)
        if not checks.true(f"hostile history {seed}: exit 0", run.code == 0, run.err):
            continue
        (folder / "Dockerfile").write_bytes(b"FROM scratch AS first\nCOPY one.txt /\n\n" + run.out)
        for builder in ("classic", "buildkit"):
            try:
                build(f"{PREFIX}parsed", folder, builder, "--target", "first")
                checks.true(f"hostile history {seed}: {builder} parses it", True)
            except RuntimeError as error:
                checks.true(f"hostile history {seed}: {builder} parses it", False, f"{error}\n{run.out.decode()}")


# What buildah notes as it was typed, with a layer for each step and with one for all.
BUILDAH = {
    "values": r'''FROM BASE
ARG V=12
ENV A='x "y"' C=a\ b
ENV D="$A/$V" KEEP="\$HOME"
ENV OLD	style of = value
ENV PATH=$PATH:/opt/bin
LABEL one='single' "two words"="a b"
VOLUME /d1 /d2
VOLUME ["/d 3"]
COPY one.txt two.txt /srv/
COPY --chown=7:8 one.txt /srv/owned
RUN mkdir -p /opt/bin && cp /bin/echo /opt/bin/saying
RUN saying hello > /said
RUN ["touch", "/a b"]
USER ${V}
WORKDIR /w/$V
EXPOSE 8${V}0/tcp 80
STOPSIGNAL SIGQUIT
CMD ["a", "b c"]
''',
    "stages": "FROM BASE AS t\nENV X=1\nRUN echo $X > /x\nFROM t\nENV Y=$X$X\nWORKDIR /b\nCOPY --from=t /x /y/x\nRUN echo $Y > y\nCMD [\"cat\", \"y\"]\n",
    "scratch": "FROM scratch\nENV A=1\nCOPY folder /folder\nCOPY one.txt two.txt /\nCMD [\"/x\"]\n",
    "mount": "FROM BASE AS t\nRUN echo tool > /tool\nFROM BASE\nRUN --mount=type=bind,from=t,source=/tool,target=/mnt/tool cat /mnt/tool > /z\n",
    "same": "FROM BASE\n",
    "removes": "FROM BASE\nRUN mkdir /dd && touch /dd/x && rm /etc/debian_version\nRUN rm -r /dd && mkdir /dd && touch /dd/y\nCOPY one.txt /dd/y\n",
}


def with_buildah(folder, tmp):
    """Each Dockerfile built, told, built again by buildah: the instructions mean the same, the image is the same."""
    base = Path(tmp) / "small.tar"
    root = Path(tmp) / "small-root.tar"
    root.write_bytes(small_root(BASE))
    name = f"{PREFIX}small:1"
    call(DOCKER, "import", "-c", f"ENV {PATH}", "-c", 'CMD ["sh"]', root, name)
    made.append(name)
    call(DOCKER, "save", "-o", base, name)
    for builder in (Buildah("layers", Path(tmp) / "storage", ["--layers"]), Buildah("one", Path(tmp) / "storage")):
        try:
            builder.call("pull", "-q", f"docker-archive:{base}")
            for case, text in BUILDAH.items():
                text = text.replace("BASE", name)
                what, tag = f"buildah {builder.name}: {case}", f"{PREFIX}{case}-{builder.name}"
                (folder / "Dockerfile").write_text(text)
                builder.build(tag, folder)
                saved = builder.save(tag, Path(tmp) / f"{case}-{builder.name}.oci")
                words = [] if case == "scratch" else ["--base", base]
                told = checks.run("imghistory", "--dockerfile", *words, saved)
                expected = [line for line in told.err.splitlines() if "--mount" not in line]
                checks.same(f"{what}: no false warning", expected, [], told)
                checks.same(f"{what}: same instructions", Meaning(told.out.decode()).list(), Meaning(text).list(), told)
                again = Path(tmp) / f"{case}-{builder.name}.context"
                checks.run("imghistory", "--extract", again, *words, saved)
                try:
                    builder.build(f"{tag}-again", again)
                except Failed as error:
                    checks.true(f"{what}: built again", False, str(error))
                    continue
                checks.same(f"{what}: same config", builder.image(f"{tag}-again"), builder.image(tag))
                wrong = differences(builder.rootfs(f"{tag}-again", tmp), builder.rootfs(tag, tmp))
                checks.true(f"{what}: same files", not wrong, "\n    ".join(wrong[:20]))
        finally:
            builder.remove()


def main():
    with scratch("imgkit-dockerfile") as tmp:
        folder = Path(tmp) / "context"
        contexts(folder)
        with_buildah(folder, tmp)
        parser(folder, tmp)
        base = Path(tmp) / "base.tar"
        docker("save", "-o", base, BASE)
        for builder in ("classic", "buildkit"):
            (folder / "Dockerfile").write_text(EVERYTHING.replace("BASE", BASE))
            tag = f"{PREFIX}everything-{builder}"
            build(tag, folder, builder, "--build-arg", "RELEASE=rc 1", "--label", "given=by hand")
            # WORKDIR after USER and the like differ between builders, so each image goes back to its own.
            round_trip(f"everything-{builder}", tag, [builder], tmp, base)
            for name, text in SMALL.items():
                (folder / "Dockerfile").write_text(text.replace("BASE", BASE))
                tag = f"{PREFIX}{name}-{builder}"
                words = ["--build-arg", "B=b c"] if name == "arguments" else []
                build(tag, folder, builder, *words)
                both = ["classic", "buildkit"] if name in ("scratch", "modes", "arguments") else [builder]
                round_trip(f"{name}-{builder}", tag, both, tmp, base, name != "scratch")
        # The whole history, base included, from nothing: an import, and layers upon it.
        docker("tag", f"{PREFIX}arguments-classic", f"{PREFIX}whole")
        made.append(f"{PREFIX}whole")
        round_trip("whole", f"{PREFIX}whole", ["classic"], tmp, base, False)
        # A committed container with changes and deletions upon an import.
        container = docker("create", "--network", "none", BASE, "sh", "-c",
                           "rm -r /usr/share/doc /etc/debian_version; mkdir /usr/share/doc; echo new > '/etc/a new'; chmod 4700 /bin/true").decode().strip()
        docker("start", "-a", container)
        docker("commit", "-m", "by hand", container, f"{PREFIX}committed")
        made.append(f"{PREFIX}committed")
        docker("rm", container)
        round_trip("committed", f"{PREFIX}committed", ["classic", "buildkit"], tmp, base)


try:
    main()
finally:
    for tag in made:
        subprocess.run([DOCKER, "rmi", "-f", tag], capture_output=True)
    subprocess.run([DOCKER, "image", "prune", "-f", "--filter", f"label={PREFIX}"], capture_output=True)
checks.done()
