#!/usr/bin/env python3
"""imgbase against the tools it stands beside: mmdebstrap's tree, dpkg and apt inside of the image, supermin's packages.

    tests/cross/base.py MIRROR      (what make-mirror made: mirror/, debs/, keyring.gpg, minbase.tar, packages.txt)

Every path, kind, mode, owner, link and content of minbase is compared with what mmdebstrap made of the same mirror; times
are not. LEFT_OUT is what is missing on purpose. What runs in containers needs an engine, which DOCKER_HOST names; without
one it is left out, and said. The images that are loaded there are removed again.
"""
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

from imgkit import BIN, ENV, Checks, listed, scratch, tool

DEVICES = "console fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
LEFT_OUT = {f"dev/{name}" for name in DEVICES} | {
    # Written by the tool that makes the system, not by packages.
    "etc/apt/sources.list", "etc/fstab", "etc/hostname", "etc/resolv.conf",
    # debconf's answers: no question is asked.
    "var/cache/debconf/config.dat", "var/cache/debconf/config.dat-old", "var/cache/debconf/passwords.dat",
    "var/cache/debconf/templates.dat", "var/cache/debconf/templates.dat-old",
    # What apt and dpkg leave when they run.
    "var/cache/apt/archives/lock", "var/lib/apt/lists/lock", "var/lib/apt/extended_states",
    "var/lib/dpkg/arch", "var/lib/dpkg/diversions-old", "var/lib/dpkg/status-old",
}
# The time that make-mirror gives mmdebstrap: the days in /etc/shadow are counted from it.
EPOCH = "1750000000"
SERVER = "nginx,git,python3,curl,ca-certificates"
NAME = "imgkit-cross-base"
# A certificate of its own for a moment, and a server that has it.
TLS = """import http.server, ssl
s = http.server.HTTPServer(("127.0.0.1", 4443), http.server.SimpleHTTPRequestHandler)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain("/tmp/own.pem")
s.socket = c.wrap_socket(s.socket, server_side=True); s.serve_forever()"""

checks = Checks("base")
ENV["SOURCE_DATE_EPOCH"] = EPOCH
MIRROR = Path(sys.argv[1]).resolve()
SOURCE = ["--suite", "bookworm", "--repo", MIRROR / "mirror", "--keyring", MIRROR / "keyring.gpg"]
loaded = []


def tree(path, keep=()):
    """As `listed` does it."""
    with tarfile.open(path) as tar:
        found, texts = listed(tar, keep)
    return (found, texts) if keep else found


def made(work, name, *args):
    """An image that imgbase makes, or None."""
    image = work / f"{name}.tar"
    run = checks.run("imgbase", *args, "-o", image, "-t", f"{NAME}:{name}", timeout=600)
    return image if checks.true(f"imgbase makes {name}", run.code == 0, run.err) else None


def exported(work, image):
    rootfs = work / f"{image.stem}.rootfs.tar"
    run = checks.run("imgexport", "-o", rootfs, image, timeout=600)
    checks.true(f"imgexport {image.stem}", run.code == 0, run.err)
    return rootfs


def reference(work, image):
    """Path by path what mmdebstrap makes."""
    rootfs = exported(work, image)
    ours, theirs = tree(rootfs), tree(MIRROR / "minbase.tar")
    rootfs.unlink()
    checks.same("missing paths", sorted(theirs.keys() - ours.keys()), sorted(LEFT_OUT))
    checks.same("paths that nobody else makes", sorted(ours.keys() - theirs.keys()), [])
    for path in sorted(ours.keys() & theirs.keys()):
        checks.same(path, ours[path], theirs[path])


def same_for_all(work, image):
    """The same digest under another user, umask and order of what is named."""
    def digest(*args, user=(), umask=0o022):
        shell = ["sh", "-c", f'umask {umask:o}; exec "$@"', "sh"]
        command = [*user, *shell, BIN / "imgbase", "deb", *args, "-t", f"{NAME}:minbase", "-o", "-"]
        with subprocess.Popen([str(word) for word in command], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/") as run:
            return hashlib.file_digest(run.stdout, "sha256").hexdigest()

    room = work / "room"
    room.mkdir()
    room.chmod(0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"HOME={room}", f"TMPDIR={room}"] if os.geteuid() == 0 else []
    if not nobody:
        print("LEFT OUT: another user: only root can become one")
    expected = hashlib.sha256(image.read_bytes()).hexdigest()
    checks.same("the same bytes for an ordinary user with umask 077", digest(*SOURCE, user=nobody, umask=0o077), expected)
    wanted = {line.split()[0] for line in (MIRROR / "packages.txt").read_text().splitlines()}
    debs = sorted(path for path in (MIRROR / "debs").glob("*.deb") if path.name.split("_")[0] in wanted)
    forward = digest(*(word for path in debs for word in ("--debs", path)))
    backward = digest(*(word for path in reversed(debs) for word in ("--debs", path)), user=nobody, umask=0o077)
    checks.same("the same bytes for packages in another order", backward, forward)
    # A lock brings the same back.
    lock = work / "lock"
    checks.run("imgbase", "deb", *SOURCE, "-t", f"{NAME}:minbase", "--lock", lock, "-o", work / "locked.tar", timeout=600)
    (work / "locked.tar").unlink()
    checks.same("the same bytes by a lock", digest("--locked", lock, "--repo", MIRROR / "mirror"), expected)


def packed(work):
    """What imgbase finds in the database of the tree that mmdebstrap made: packages, and whose each file is."""
    status, info = "var/lib/dpkg/status", "var/lib/dpkg/info/"
    theirs = tree(MIRROR / "minbase.tar")
    lists = {path for path in theirs if path.startswith(info) and path.endswith(".list")}
    _, texts = tree(MIRROR / "minbase.tar", {status, *lists})
    fields = [dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
              for paragraph in texts[status].split("\n\n") if paragraph.strip()]
    packages = sorted((one["Package"], one["Version"]) for one in fields)
    sbom = work / "sbom.json"
    image = made(work, "packed", "pack", MIRROR / "minbase.tar", "--layers", "per-package", "--sbom", "spdx", sbom)
    if not image:
        return
    named = [(one["name"], one["versionInfo"]) for one in json.loads(sbom.read_text())["packages"][1:]]
    checks.same("the packages of a packed tree", named, packages)
    rootfs = exported(work, image)
    checks.same("a packed tree in layers is the same tree", tree(rootfs), theirs)
    rootfs.unlink()
    # Folders on the way may be in any layer; files only in that of a package that lists them, or in the last.
    owners = {}
    for path in lists:
        for line in texts[path].splitlines():
            owners.setdefault(line.lstrip("/"), set()).add(path.removeprefix(info).removesuffix(".list").split(":")[0])
    with tarfile.open(image) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))[0]
        config = json.load(outer.extractfile(manifest["Config"]))
        steps = [step["comment"] for step in config["history"] if not step.get("empty_layer")]
        for step, layer in zip(steps, manifest["Layers"], strict=True):
            with tarfile.open(fileobj=outer.extractfile(layer)) as tar:
                files = {member.name.removeprefix("./") for member in tar if not member.isdir()}
            if step == "config":
                strange = sorted(path for path in files if names_of(owners, path))
                checks.same("files of packages in the last layer", strange, [])
            else:
                name = step.split(" ")[0]
                strange = sorted(path for path in files if name not in names_of(owners, path))
                checks.same(f"files in the layer of {name} that it does not list", strange, [])
    image.unlink()


def names_of(owners, path):
    """Whose a file is: also by its name from before the merge of /usr."""
    return owners.get(path, set()) | owners.get(path.removeprefix("usr/"), set())


def load(image):
    subprocess.run(["docker", "load", "-q", "-i", str(image)], check=True, stdout=subprocess.DEVNULL)
    loaded.append(f"{NAME}:{image.stem}")
    return loaded[-1]


def container(name, what, command, out=None, code=0, quiet=False, env=()):
    """A command in a container: its exit status, and its output if one is expected."""
    command = ["sh", "-ec", command] if isinstance(command, str) else command
    words = ["docker", "run", "--rm", "--network", "none", *(word for pair in env for word in ("-e", pair)), name, *command]
    run = subprocess.run(words, capture_output=True, text=True, timeout=120)
    said = run.stdout + run.stderr
    ok = run.returncode == code and (out is None or out in run.stdout) and not (quiet and said)
    checks.true(f"{name.split(':')[1]}: {what}", ok, f"exit {run.returncode}: {said[-600:]}")
    return run.stdout


def in_minbase(name):
    container(name, "dpkg --audit says nothing", ["dpkg", "--audit"], quiet=True)
    container(name, "dpkg -V says nothing", ["dpkg", "-V"], quiet=True)
    container(name, "apt-get check", ["apt-get", "check"])
    container(name, "perl", ["perl", "-e", "print 1"], out="1")
    container(name, "getent", ["getent", "passwd", "root"], out="root:x:0:0:root:/root:/bin/bash")
    container(name, "update-alternatives", ["update-alternatives", "--display", "awk"], out="link currently points to /usr/bin/mawk")
    container(name, "useradd", "useradd -m somebody; id -un somebody; test -f /home/somebody/.bashrc", out="somebody")
    container(name, "ldconfig knows the libraries", "ldconfig -p", out="libc.so.6 (libc6,x86-64")
    container(name, "/bin/sh, /usr/bin/awk and which", "awk 'BEGIN{print 40+2}'; which perl", out="42\n/usr/bin/perl")


def in_server(name, report):
    container(name, "dpkg --audit says nothing", ["dpkg", "--audit"], quiet=True)
    container(name, "dpkg -V says nothing", ["dpkg", "-V"], quiet=True)
    container(name, "git", "git --version; git init -q /tmp/g; cd /tmp/g; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x; git log --format=%s", out="\nx\n")
    container(name, "python3", ["python3", "-c", "import json, ssl, sqlite3; print(ssl.create_default_context(cafile='/etc/ssl/certs/ca-certificates.crt').cert_store_stats()['x509_ca'] > 100)"], out="True")
    container(name, "certificates by subject", ["python3", "-c", "import glob, os; p = glob.glob('/etc/ssl/certs/*.0'); print(len(p) > 100 and all(map(os.path.exists, p)))"], out="True")
    container(name, "nginx -t", "nginx -t 2>&1", out="test is successful")
    with scratch() as folder:
        pem = Path(folder, "own.pem")
        tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", Path(folder, "key"), "-out", Path(folder, "crt"))
        pem.write_bytes(Path(folder, "key").read_bytes() + Path(folder, "crt").read_bytes())
        both = ('echo "$PEM" >/tmp/own.pem; python3 -c "$TLS" >/dev/null 2>&1 & set +e; URL=https://localhost:4443/etc/debian_version; '
                'for i in $(seq 60); do curl -s --cacert /tmp/own.pem $URL >/dev/null && break; sleep 1; done; '
                'curl -s --cacert /tmp/own.pem $URL >/dev/null; echo own $?; curl -s --cacert /etc/ssl/certs/ca-certificates.crt $URL; echo bundle $?; '
                'curl -s $URL; echo usual $?')
        # 60: it read the certificates and found none for this server.
        container(name, "curl --cacert", both, out="own 0\nbundle 60\nusual 60\n", env=[f"PEM={pem.read_text()}", f"TLS={TLS}"])
    # What the report says of scripts that do more than is done here.
    left = {row["package"]: [line["command"] for line in row["left"]] for row in report["scripts"] if row["class"] == "uncovered"}
    for package, commands in sorted(left.items()):
        print(f"uncovered: {package}: {'; '.join(commands)[:200]}")
    checks.true("uncovered packages name what is left", all(left.values()), json.dumps(left))
    named = {row["package"] for row in report["scripts"]}
    checks.same("the report has every package", sorted(named), sorted(row["name"] for row in report["packages"]))


def host(work, engine):
    for program in ["supermin", "dpkg-query"]:
        if not any(Path(folder, program).exists() for folder in os.environ["PATH"].split(":")):
            print(f"LEFT OUT: imgbase host: {program} is not installed")
            return
    image = made(work, "host", "host", "--modified", "keep", "bash", "coreutils")
    if not image:
        return
    tool("supermin", "--prepare", "--use-installed", "-o", work / "supermin", "bash", "coreutils")
    tool("supermin", "--build", "-f", "chroot", "-o", work / "chroot", work / "supermin")
    paths = [f"/{path.relative_to(work / 'chroot')}" for path in (work / "chroot").rglob("*") if path.is_symlink() or not path.is_dir()]
    owners = tool("dpkg-query", "-S", *paths, check=False).decode().splitlines()
    # What several packages have are links to folders.
    theirs = {line.split(":")[0] for line in owners if "," not in line.split(": /")[0] and not line.startswith("diversion")}
    status = {}
    with tarfile.open(exported(work, image)) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isreg() and (name == "var/lib/dpkg/status" or name.startswith("var/lib/dpkg/status.d/") and not name.endswith(".md5sums")):
                text = tar.extractfile(member).read().decode()
                status |= {line[9:].strip(): name for line in text.splitlines() if line.startswith("Package: ")}
    print(f"host: {len(status)} packages, supermin: {len(theirs)} ({' '.join(sorted(theirs))}), besides: {' '.join(sorted(status.keys() - theirs))}")
    checks.same("supermin's packages that host does not take", sorted(theirs - status.keys()), [])
    if engine:
        name = load(image)
        # Nothing keeps passwords in a file of their own here: the package that would is not one of them.
        container(name, "/bin/sh, accounts, awk", "test -s /etc/ld.so.cache; id -un; head -n 1 /etc/passwd; echo | awk '{print 42}'", out="root\nroot:*:0:0:root:/root:/bin/bash\n42\n")
        container(name, "bash and coreutils", ["bash", "-c", "set -e; printf '%s\\n' b a | sort; sha256sum </dev/null"], out="a\nb\ne3b0c442")


def scratch_image(work, engine):
    if not Path("/usr/bin/curl").exists():
        print("LEFT OUT: imgbase scratch: /usr/bin/curl is not there")
        return
    image = made(work, "scratch", "scratch", "/usr/bin/curl", "--with", "ca,nss")
    if image and engine:
        name = load(image)
        container(name, "curl", ["/usr/bin/curl", "--version"], out="curl ")
        container(name, "curl reads a file", ["/usr/bin/curl", "-s", "file:///etc/passwd"], out="root:")
        # 6: there is no network, which it can only find out with the resolver there.
        container(name, "curl resolves", ["/usr/bin/curl", "-s", "https://nowhere.invalid/"], code=6)


def main():
    assert len(LEFT_OUT) == 29
    engine = bool(os.environ.get("DOCKER_HOST")) and subprocess.run(["docker", "version"], capture_output=True).returncode == 0
    if not engine:
        print("LEFT OUT: what runs in containers: DOCKER_HOST names no engine")
    with scratch() as folder:
        work = Path(folder)
        work.chmod(0o755)
        try:
            image = made(work, "minbase", "deb", *SOURCE, "--variant", "minbase")
            if image:
                reference(work, image)
                same_for_all(work, image)
                if engine:
                    in_minbase(load(image))
                image.unlink()
            report = work / "report.json"
            image = made(work, "server", "deb", *SOURCE, "--include", SERVER, "--report", report)
            if image:
                if engine:
                    in_server(load(image), json.loads(report.read_text()))
                image.unlink()
            packed(work)
            host(work, engine)
            scratch_image(work, engine)
        finally:
            for name in loaded:
                subprocess.run(["docker", "rmi", "-f", name], stdout=subprocess.DEVNULL, check=False)
    checks.done()


if __name__ == "__main__":
    main()
