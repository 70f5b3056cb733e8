#!/usr/bin/env python3
"""What imgimport and imgcommit make, seen by other tools.

    tests/cross/made.py [corpus]

GNU tar and cpio write the root filesystems; skopeo, podman and umoci read the images. With a corpus, `docker import`
says what -c means and `docker diff` what a container changed; DOCKER_HOST names the engine that is asked. An overlay
mount, where root may make one, shows what its upper folder stands for.
"""
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

from imgkit import BIN, ENV, Checks, fresh, scratch

checks = Checks("made")
EPOCH = {**ENV, "SOURCE_DATE_EPOCH": "1700000000"}
DOCKER = "/usr/bin/docker"
# What docker, from 20.10 on, reads in one way. STOPSIGNAL and the like are newer.
CHANGES = [
    ['CMD ["a","b"]'], ["CMD a  b"], ['CMD ["a"] foo'], ["CMD [1]"], ["CMD ['a']"], ["CMD []"], ["ENTRYPOINT"],
    ['ENTRYPOINT ["x"]', "CMD y"], ["CMD y", 'ENTRYPOINT ["x"]'], ["CMD --foo bar"], ["CMD -- bar"], ['CMD ["a"'],
    ['ENV a=b c="d e" f=\'g h\' i=j\\ k'], ["ENV a b c"], ["ENV a"], ["ENV"], ["ENV =b"], ["ENV a=b c"], ['ENV a="b'],
    ["ENV a=$PATH:$$ b=${x:-def} c=${x:+def}"], ["ENV a=1", "ENV b=${a}2 a=3 c=$a"], ["ENV a=${x?oops}"], ["ENV a=${}"],
    ['ENV a="\\$b" b="x\\"y" c="x\\y"'], ["ENV a=b \\", "c=d"], ["ENV a=1 \\", "# c", "b=2"], ["ENV a=b\\\\"],
    ["EXPOSE 80/tcp 53/udp 8080/TCP"], ["EXPOSE 80-82"], ["EXPOSE 82-80"], ["EXPOSE 80/xyz"], ["EXPOSE 1.2.3.4:8080:80"],
    ['ENV p="80 81"', "EXPOSE $p"], ["EXPOSE /tcp"], ["EXPOSE 1-2:80-83"], ["EXPOSE ::1:80:80"], ["EXPOSE 70000"],
    ["HEALTHCHECK NONE"], ["HEALTHCHECK NONE x"], ["HEALTHCHECK --interval=5m --timeout=3s --start-period=1h2m --retries=4 CMD x"],
    ['HEALTHCHECK CMD ["a","b"]'], ["HEALTHCHECK FOO x"], ["HEALTHCHECK --interval=5 CMD x"], ["HEALTHCHECK --interval=1us CMD x"],
    ["HEALTHCHECK --retries=x CMD x"], ["HEALTHCHECK --interval=1s --interval=2s CMD x"], ["HEALTHCHECK CMD"],
    ['LABEL a=b c.d="e f"'], ["LABEL a b c"], ["LABEL a"], ["ENV k=key", "LABEL $k=v"], ['LABEL a="b\\nc"'],
    ["ONBUILD RUN x"], ["ONBUILD ONBUILD RUN x"], ["ONBUILD FROM x"], ["onbuild  copy a b"], ["ONBUILD ENV a"],
    ["USER a b"], ["ENV u=me", "USER $u:x"], ["VOLUME /a /b"], ['VOLUME ["/a","/b c"]'], ["VOLUME []"], ['VOLUME [""]'],
    ["WORKDIR /a", "WORKDIR b/../c", "WORKDIR d"], ["WORKDIR $x"], ["WORKDIR /a/../b//c/"], ["RUN x"], ["foo"], ["# comment"],
    ["# escape=`", "ENV a=b`\nc=d"], ["#escape=x", "CMD x"], ["CMD a \\"], ["CMD x", "FOO y", "EXPOSE q"], ["CMD <a&b>"],
]


def tool(what, *command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    ok = checks.true(f"{what}: {command[0]}", done.returncode == 0, f"$ {' '.join(map(str, command))}\n    {done.stderr.strip()}")
    return done.stdout if ok else None


def program(name, *args, stdin=None):
    """Runs one of the programs at a fixed time; None, and a failure that is counted, if it fails."""
    command = [str(BIN / name), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env=EPOCH, input=stdin, timeout=300)
    return done


def made(what, name, *args):
    done = program(name, *args)
    checks.true(f"{what}: {name}", done.returncode == 0, done.stderr.strip())
    return done.stdout.strip()


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def layers(path):
    """The config and the layers' bytes of an archive with one image."""
    files = members(path)
    item = json.loads(files["manifest.json"])[0]
    return json.loads(files[item["Config"]]), [files[name] for name in item["Layers"]]


def entries(data, skip=()):
    """What a tar says, by path: kind, mode, owner, size, link, contents. Names are as Python has them."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for m in tar:
            name = m.name.removeprefix("./").rstrip("/")
            if name in (".", "") or name in skip:
                continue
            text = tar.extractfile(m).read() if m.isreg() else b""
            attributes = {k: v for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            found[name] = (m.type, oct(m.mode & 0o7777) if m.type != tarfile.SYMTYPE else "", m.uid, m.gid, int(m.mtime),
                           m.linkname.removeprefix("./"), m.devmajor, m.devminor, hashlib.sha256(text).hexdigest(), attributes)
    return found


def tree(top):
    """A folder with one of everything that this user can make."""
    for folder in ("etc", "usr/bin", "var/empty", "opt/a/b"):
        (top / folder).mkdir(parents=True)
    (top / "etc/passwd").write_text("root:x:0:0\n")
    (top / "usr/bin/tool").write_bytes(os.urandom(70000))
    (top / "usr/bin/tool").chmod(0o4755)
    os.link(top / "usr/bin/tool", top / "opt/a/tool2")
    os.symlink("../etc/passwd", top / "usr/link")
    os.symlink("x" * 300, top / "usr/long")
    os.mkfifo(top / "var/fifo", 0o600)
    (top / ("n" * 120)).write_text("long name\n")
    (top / "opt/a/b/\u00e9").write_text("not ascii\n")
    os.close(os.open(os.fsencode(top / "opt") + b"/latin\xe9", os.O_CREAT | os.O_WRONLY))
    with open(top / "var/sparse", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    try:
        os.setxattr(top / "etc/passwd", "user.note", b"a\0b")
    except OSError:
        print("LEFT OUT: extended attributes: the file system has none")
    if os.geteuid() == 0:
        os.mknod(top / "var/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.chown(top / "etc", 5, 6)
    for path in [*top.rglob("*"), top]:
        os.utime(path, (1600000000, 1600000000), follow_symlinks=False)


def read_by_all(what, archive, image_id, tmp):
    """Every tool takes the archive and sees the image."""
    out = fresh(tmp)
    if tool(what, "skopeo", "--insecure-policy", "copy", "--quiet", f"docker-archive:{archive}", f"dir:{out}") is not None:
        manifest = json.loads((out / "manifest.json").read_text())
        checks.same(f"{what}: skopeo's config", manifest["config"]["digest"], image_id)
    tool(f"{what} (OCI)", "skopeo", "--insecure-policy", "copy", "--quiet", f"oci-archive:{archive}", f"dir:{fresh(tmp)}")
    root = str(fresh(tmp))
    base = ["podman", "--root", root + "/root", "--runroot", root + "/run", "--storage-driver", "vfs"]
    if tool(what, *base, "load", "--quiet", "--input", archive) is not None:
        checks.same(f"{what}: podman's image", (tool(what, *base, "images", "--no-trunc", "--quiet") or "").split(), [image_id])
    checks.same(f"{what}: imgverify", program("imgverify", "-q", archive).returncode, 0)
    if os.environ.get("DOCKER_HOST") and tool(what, DOCKER, "load", "--quiet", "--input", archive) is not None:
        shown = json.loads(tool(what, DOCKER, "image", "inspect", image_id) or "[{}]")[0]
        ours = json.loads(program("imginspect", archive).stdout or "[{}]")[0]
        for key in ("Id", "RootFS", "Config", "Architecture", "Os", "Author", "Comment", "Created"):
            checks.same(f"{what}: docker's {key}", shown.get(key), ours.get(key))
        subprocess.run([DOCKER, "rmi", "-f", image_id], capture_output=True)


def importing(tmp):
    top = tmp / "root"
    top.mkdir()
    tree(top)
    tar = tmp / "root.tar"
    tool("a tree", "tar", "--xattrs", "--xattrs-include=*", "--format=pax", "--numeric-owner", "--sort=name", "-C", top, "-cf", tar, ".")
    # A folder says what GNU tar says of it.
    image = tmp / "folder.tar"
    image_id = made("a folder", "imgimport", "-c", 'CMD ["/usr/bin/tool"]', "-o", image, top, "made:folder")
    expected, found = entries(tar.read_bytes()), entries(layers(image)[1][0])
    for name in sorted(expected.keys() | found.keys()):
        checks.same(f"a folder: {name!r}", found.get(name), expected.get(name))
    read_by_all("a folder", image, image_id, tmp)
    again = tmp / "again.tar"
    made("a folder", "imgimport", "-j", "1", "-c", 'CMD ["/usr/bin/tool"]', "-o", again, top, "made:folder")
    checks.true("a folder: the same bytes again", again.read_bytes() == image.read_bytes())
    # A tar stays what it is.
    for codec, command in (("", None), (".gz", "gzip"), (".zst", "zstd"), (".xz", "xz"), (".bz2", "bzip2")):
        packed = Path(f"{tar}{codec}")
        if command:
            packed.write_bytes(subprocess.run([command, "-c", tar], capture_output=True, check=True).stdout)
        image = tmp / f"tar{codec}.image"
        image_id = made(f"a tar{codec}", "imgimport", "-o", image, packed, "made:tar")
        diff_id = "sha256:" + hashlib.sha256(tar.read_bytes()).hexdigest()
        checks.same(f"a tar{codec}: diff ID", layers(image)[0]["rootfs"]["diff_ids"], [diff_id])
        if codec != ".zst":
            read_by_all(f"a tar{codec}", image, image_id, tmp)
    layout = tmp / "layout"
    made("umoci", "imgconvert", tmp / "tar.image", f"oci:{layout}:app")
    tool("a tar", "umoci", "unpack", *([] if os.geteuid() == 0 else ["--rootless"]), "--image", f"{layout}:app", tmp / "bundle")
    # What GNU cpio writes of the same files.
    if shutil.which("cpio"):
        names = subprocess.run(["find", ".", "-mindepth", "1", "-print0"], cwd=top, capture_output=True, check=True).stdout
        for form in ("newc", "crc", "odc"):
            archive = tmp / f"root.{form}"
            with open(archive, "wb") as out:
                subprocess.run(["cpio", "-0", "-o", "-H", form], cwd=top, input=names, stdout=out, stderr=subprocess.DEVNULL, check=True)
            made(form, "imgimport", "-o", image, archive)
            found = entries(layers(image)[1][0])
            plain = {name: entry[:9] for name, entry in found.items()}
            # Which name of a file comes first depends on the order of find; attributes are not in the format.
            for name in ("usr/bin/tool", "opt/a/tool2"):
                plain.pop(name, None)
            wanted = {name: entry[:9] for name, entry in expected.items() if name not in ("usr/bin/tool", "opt/a/tool2")}
            checks.same(f"cpio {form}", plain, wanted)
            kinds = sorted(found[name][0] for name in ("usr/bin/tool", "opt/a/tool2"))
            checks.same(f"cpio {form}: one file, two names", kinds, [tarfile.REGTYPE, tarfile.LNKTYPE])
    else:
        print("LEFT OUT: cpio: it is not installed")
    return top, tar


def committing(top, tar, tmp):
    base = tmp / "base.tar"
    made("a base", "imgimport", "-o", base, tar, "made:base")
    # Unpacked by GNU tar, nothing has changed.
    new = tmp / "new"
    new.mkdir()
    tool("unpacked", "tar", "--xattrs", "--xattrs-include=*", "-C", new, "-xpf", tar)
    layer = tmp / "layer.tar"
    made("nothing", "imgcommit", "--base", base, "--layer-out", layer, new)
    checks.same("nothing changed", entries(layer.read_bytes()), {})
    # Changed, committed, and unpacked by umoci over its base: the same tree.
    (new / "etc/passwd").write_text("changed\n")
    shutil.rmtree(new / "opt")
    (new / "opt").write_text("a file now\n")
    (new / "var/empty").rmdir()
    (new / "var/new").mkdir()
    (new / "var/new/file").write_text("new\n")
    (new / "usr/bin/tool").chmod(0o755)
    os.remove(new / "usr/link")
    # As if it had been changed then: what is later than SOURCE_DATE_EPOCH would count as that.
    for path in [*new.rglob("*"), new]:
        if path.lstat().st_mtime > 1700000000:
            os.utime(path, (1650000000, 1650000000), follow_symlinks=False)
    image = tmp / "committed.tar"
    image_id = made("changes", "imgcommit", "--base", base, "-a", "me", "-m", "why", "-o", image, new, "made:committed")
    read_by_all("changes", image, image_id, tmp)
    layout, bundle = tmp / "layout2", tmp / "bundle2"
    made("umoci", "imgconvert", image, f"oci:{layout}:app")
    if os.geteuid() == 0 and tool("changes", "umoci", "unpack", "--image", f"{layout}:app", bundle) is not None:
        pack = ["tar", "--xattrs", "--xattrs-include=*", "--format=pax", "--numeric-owner", "--sort=name", "-cf", "-", "."]
        trees = [entries(subprocess.run(pack, cwd=folder, capture_output=True, check=True).stdout) for folder in (new, bundle / "rootfs")]
        checks.same("umoci unpacks the changed tree", trees[1], trees[0])
    small = tmp / "small.tar"
    image_id = made("squashed", "imgcommit", "--squash", image, "-o", small, "made:small")
    read_by_all("squashed", small, image_id, tmp)
    pack = ["tar", "--xattrs", "--xattrs-include=*", "--format=pax", "--numeric-owner", "--sort=name", "-C", new, "-cf", "-", "."]
    expected = entries(subprocess.run(pack, capture_output=True, check=True).stdout)
    checks.same("squashed: the changed tree", entries(layers(small)[1][0]), expected)
    overlay(top, tar, base, tmp)


def overlay(top, tar, base, tmp):
    """An overlay mount: its upper folder committed as it is, and its merged view compared, say the same."""
    mount = tmp / "overlay"
    lower, upper, work, merged = (mount / name for name in ("lower", "upper", "work", "merged"))
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mount], capture_output=True).returncode:
        print("LEFT OUT: an overlay mount: only root can make one")
        return
    try:
        for folder in (lower, upper, work, merged):
            folder.mkdir()
        subprocess.run(["tar", "-C", lower, "-xpf", tar], check=True)
        options = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off,metacopy=off"
        if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], capture_output=True).returncode:
            print("LEFT OUT: an overlay mount: the kernel makes none")
            return
        (merged / "etc/passwd").write_text("changed\n")
        shutil.rmtree(merged / "opt")
        (merged / "opt").mkdir()
        (merged / "opt/new").write_text("new\n")
        os.remove(merged / "usr/link")
        shutil.rmtree(merged / "var")
        layer = tmp / "upper.tar"
        made("overlay", "imgcommit", "--base", base, "--upper", "--layer-out", layer, upper)
        names = set(entries(layer.read_bytes()))
        checks.same("overlay: what the upper folder says", names, {"etc", "etc/passwd", "opt", "opt/new", "opt/.wh..wh..opq", "usr", "usr/.wh.link", ".wh.var"})
        other = tmp / "merged.tar"
        made("overlay", "imgcommit", "--base", base, "--layer-out", other, merged)
        checks.same("overlay: the merged view says the same", entries(other.read_bytes()), entries(layer.read_bytes()))
    finally:
        subprocess.run(["umount", "-l", merged], capture_output=True)
        subprocess.run(["umount", "-l", mount], capture_output=True)


def instructions(tmp):
    """What -c means, as the engine has it."""
    tar = tmp / "one.tar"
    with tarfile.open(tar, "w") as out:
        out.addfile(tarfile.TarInfo("a"))
    for changes in CHANGES:
        flags = [word for change in changes for word in ("-c", change)]
        theirs = subprocess.run([DOCKER, "import", *flags, str(tar)], capture_output=True, text=True)
        ours = program("imgimport", *flags, "-o", tmp / "c.tar", tar)
        what = f"-c {changes}"
        if theirs.returncode:
            error = theirs.stderr.strip().removeprefix("Error response from daemon: ")
            checks.true(what, ours.returncode == 2 and ours.stderr.strip().endswith(error), f"docker: {error}\n    ours: {ours.stderr.strip()}")
            continue
        image_id = theirs.stdout.strip()
        shown = json.loads(subprocess.run([DOCKER, "image", "inspect", image_id], capture_output=True, text=True).stdout)[0]["Config"]
        subprocess.run([DOCKER, "rmi", image_id], capture_output=True)
        mine = json.loads(program("imginspect", tmp / "c.tar").stdout or "[{}]")[0].get("Config", ours.stderr)
        checks.same(what, mine, shown)


def container(corpus, tmp):
    """A container's tree on its image: what docker diff says, and what docker commit made of it."""
    tree_tar = corpus / "facts/classic.container-export.tar"
    layer = tmp / "container.tar"
    made("a container", "imgcommit", "--base", corpus / "classic.tar", "--layer-out", layer, tree_tar)
    ours = entries(layer.read_bytes())
    theirs = entries(layers(corpus / "committed.tar")[1][-1])
    marker = lambda found: {name: entry[:1] if "/.wh." in "/" + name else entry for name, entry in found.items()}
    checks.same("a container: docker commit's layer", marker(ours), marker(theirs))
    lower = set()
    for data in layers(corpus / "classic.tar")[1]:
        lower |= set(entries(data))
    said = set()
    for name in ours:
        folder, _, last = name.rpartition("/")
        if last == ".wh..wh..opq":
            # The folder's own former children.
            prefix = folder + "/"
            said |= {("D", prefix + rest.split("/")[0]) for rest in (n[len(prefix):] for n in lower if n.startswith(prefix))}
        elif last.startswith(".wh."):
            said.add(("D", f"{folder}/{last[4:]}".lstrip("/")))
        else:
            said.add(("C" if name in lower else "A", name))
    facts = {(line[0], line[3:]) for line in (corpus / "facts/classic.container-diff.txt").read_text().splitlines()}
    checks.same("a container: docker diff", sorted(said), sorted(facts))
    image = tmp / "container.image"
    image_id = made("a container", "imgcommit", "--base", corpus / "classic.tar", "-a", "corpus", "-m", "changed", "-o", image, tree_tar, "made:container")
    read_by_all("a container", image, image_id, tmp)
    whole = tmp / "small.image"
    image_id = made("a container", "imgcommit", "--squash", image, "-o", whole, "made:small")
    read_by_all("a squashed container", whole, image_id, tmp)


def main():
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with scratch("imgkit-made") as folder:
        tmp = Path(folder)
        top, tar = importing(tmp)
        committing(top, tar, tmp)
        if os.environ.get("DOCKER_HOST"):
            instructions(tmp)
        if corpus:
            container(corpus, tmp)
    checks.done()


main()
