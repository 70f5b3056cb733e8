"""Builders of images, and what Dockerfiles say: for dockerfile.py.

Both sides of a comparison are read here, by rules of the builders' own and not by the programs that are checked: the
instructions of a source with all variables expanded, the config as the engine or buildah states it, the files as they
export or mount them.
"""
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile
from pathlib import Path

DOCKER = "/usr/bin/docker"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = """awk bash cat chgrp chmod chown cp cut date dirname dash echo egrep env false find grep gzip head id ln ls
mkdir mktemp mv printf pwd readlink rm rmdir sed sh sleep sort stat tail tar tee test touch tr true uname uniq wc
whoami xargs""".split()
# What builders add, or note about themselves.
OWN_LABELS = ("io.buildah.version",)


class Failed(Exception):
    """A tool ended with an error; the text is what it said."""


def run(*words, env=None, stdin=None, timeout=600):
    words = [str(word) for word in words]
    feed = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(words, capture_output=True, timeout=timeout, env=env, **feed)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {(done.stderr + done.stdout).decode(errors='replace').strip()[-1500:]}")
    return done.stdout


def small_root(image, lenient=False):
    """A tar of a root filesystem with a shell and the common tools, taken out of an image of the engine.

    In a lenient one every command of the shell ends with 0: Dockerfiles that need a network are built as well.
    """
    container = run(DOCKER, "create", "--network", "none", image, "x").decode().strip()
    try:
        whole = run(DOCKER, "export", container)
    finally:
        run(DOCKER, "rm", "-f", container)
    out = io.BytesIO()
    etc = ["passwd", "group", "os-release", "nsswitch.conf", "debian_version"]
    libraries = r"usr/lib(64)?/(x86_64-linux-gnu/|aarch64-linux-gnu/)?(ld-.*|lib(c|m|acl|attr|selinux|pcre2-8|tinfo|gmp|crypto|dl|pthread|mawk|sigsegv|readline)\.so[.0-9]*)"
    wanted = re.compile(
        rf"(bin|sbin|lib|lib64|tmp|root|etc|usr|usr/s?bin|usr/lib(64|/[^/]*-linux-gnu)?|var|{libraries}"
        rf"|etc/({'|'.join(etc)})|usr/lib/os-release|usr/bin/({'|'.join(PROGRAMS)}|mawk|gawk)|etc/alternatives(/awk)?)/?"
    )
    with tarfile.open(fileobj=io.BytesIO(whole)) as source, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in source:
            if not wanted.fullmatch(member.name):
                continue
            if lenient and member.name == "usr/bin/sh":
                script = b"#!/bin/dash\n/bin/dash \"$@\"\nexit 0\n"
                member = tarfile.TarInfo("usr/bin/sh")
                member.size, member.mode = len(script), 0o755
                tar.addfile(member, io.BytesIO(script))
            else:
                tar.addfile(member, source.extractfile(member) if member.isreg() else None)
    return out.getvalue()


class Engine:
    """Docker's engine, with one of its two builders."""

    def __init__(self, name):
        self.name = name
        self.env = {**os.environ, "DOCKER_BUILDKIT": "1" if name == "buildkit" else "0"}
        self.made = set()

    def build(self, tag, context, dockerfile=None, words=()):
        file = ["-f", dockerfile] if dockerfile else []
        run(DOCKER, "build", "-q", "--network", "none", "--no-cache", "-t", tag, *file, *words, context, env=self.env, timeout=120)
        self.made.add(tag)

    def save(self, tag, path):
        run(DOCKER, "save", "-o", path, tag)
        return str(path)

    def image(self, tag):
        """The config and what else of the image a Dockerfile decides."""
        image = json.loads(run(DOCKER, "image", "inspect", tag))[0]
        return normal(image["Config"], image["Author"], image["Os"], image["Architecture"])

    def rootfs(self, tag, tmp):
        container = run(DOCKER, "create", "--network", "none", tag, "x").decode().strip()
        path = Path(tmp) / f"{container}.tar"
        try:
            run(DOCKER, "export", "-o", path, container)
        finally:
            run(DOCKER, "rm", "-f", container)
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
        # The engine makes them in each container.
        for name in (".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys"):
            files.pop(name, None)
        return files

    def remove(self):
        for tag in self.made:
            subprocess.run([DOCKER, "rmi", "-f", tag], capture_output=True)


class Buildah:
    """buildah with storage of its own, with a layer for each step or one for all."""

    def __init__(self, name, storage, words=()):
        self.name, self.words = name, words
        self.storage = Path(storage)
        self.storage.mkdir(exist_ok=True)
        self.base = ["buildah", "--root", self.storage / "root", "--runroot", self.storage / "run"]
        driver = self.storage / "driver"
        if not driver.exists():
            driver.write_text("overlay" if self.works("overlay") else "vfs")
        self.base += ["--storage-driver", driver.read_text()]

    def works(self, driver):
        try:
            container = run(*self.base, "--storage-driver", driver, "from", "scratch").decode().strip()
            run(*self.base, "--storage-driver", driver, "mount", container)
            run(*self.base, "--storage-driver", driver, "rm", container)
            return True
        except Failed:
            return False

    def call(self, *words, **options):
        return run(*self.base, *words, **options)

    def build(self, tag, context, dockerfile=None, words=()):
        file = ["-f", dockerfile] if dockerfile else []
        self.call("bud", "-q", "--isolation", "chroot", "--no-cache", *self.words, "-t", tag, *file, *words, context, timeout=120)

    def save(self, tag, path):
        self.call("push", "-q", "--disable-compression", tag, f"oci-archive:{path}:{tag}")
        return str(path)

    def image(self, tag):
        both = json.loads(self.call("inspect", "--type", "image", tag))
        docker, oci = both["Docker"], both["OCIv1"]
        config = docker["config"] if "docker" in both["Manifest"] else oci["config"]
        return normal(config, oci.get("author", ""), oci["os"], oci["architecture"])

    def rootfs(self, tag, _tmp):
        container = self.call("from", "--pull-never", tag).decode().strip()
        try:
            top = Path(self.call("mount", container).decode().strip())
            return walked(top)
        finally:
            self.call("rm", container)

    def remove(self):
        subprocess.run([str(word) for word in [*self.base, "rm", "--all"]], capture_output=True)
        subprocess.run([str(word) for word in [*self.base, "rmi", "--all", "--force"]], capture_output=True)


def walked(top):
    files = {}
    for path in sorted(top.rglob("*")):
        seen = path.lstat()
        kind = stat.S_IFMT(seen.st_mode)
        data = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(kind) else ""
        link = os.readlink(path) if stat.S_ISLNK(kind) else ""
        attributes = {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in os.listxattr(path, follow_symlinks=False)}
        size = seen.st_size if stat.S_ISREG(kind) else 0
        files[str(path.relative_to(top))] = [kind, oct(stat.S_IMODE(seen.st_mode)), seen.st_uid, seen.st_gid, size, data, link, attributes]
    for name in ("dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "run", "sys"):
        files.pop(name, None)
    return files


def normal(config, author, system, architecture):
    """What an image says, without what tells one build from another."""
    config = {key: value for key, value in (config or {}).items() if value not in (None, "", [], {}, False)}
    if config.get("WorkingDir") == "/":
        del config["WorkingDir"]
    for key in ("Image", "Hostname", "ArgsEscaped", "AttachStdin", "AttachStdout", "AttachStderr"):
        config.pop(key, None)
    config["Env"] = sorted(pair for pair in config.get("Env", []) if pair != PATH)
    labels = {key: value for key, value in config.get("Labels", {}).items() if key not in OWN_LABELS}
    return {**config, "Labels": labels, "Author": author or "", "Os": system, "Architecture": architecture}


# What a Dockerfile says.

def logical_lines(text):
    """The escape character and the instructions: a line each, heredocs as a list of (name, body)."""
    lines = text.split("\n")
    escape = "\\"
    for line in lines:
        found = re.match(r"#[ \t]*([A-Za-z]+)[ \t]*=[ \t]*(.+?)[ \t]*$", line)
        if not found:
            break
        if found[1].lower() == "escape":
            escape = found[2]
    out = []
    # An escape character that is escaped does not continue a line.
    ends = re.compile(r"(?<!" + re.escape(escape) + ")" + re.escape(escape) + r"[ \t]*$")
    i = 0
    while i < len(lines):
        line = lines[i].lstrip().rstrip("\r")
        i += 1
        if not line or line.startswith("#"):
            continue
        while ends.search(line):
            line = ends.sub("", line)
            more = None
            while i < len(lines):
                more = lines[i].rstrip("\r")
                i += 1
                if more.strip() and not more.lstrip().startswith("#"):
                    break
                more = None
            if more is None:
                break
            line += more
        bodies = []
        word = line.split(None, 1)[0].upper()
        if word in ("RUN", "COPY", "ADD") and not re.match(r"\S+\s+(--\S+\s+)*\[", line):
            for dash, quote, name in re.findall(r"<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_.\-]*)\2", line):
                body = []
                while i < len(lines) and (lines[i].lstrip("\t") if dash else lines[i]) != name:
                    body.append(lines[i].lstrip("\t") if dash else lines[i])
                    i += 1
                i += 1
                bodies.append((name, bool(quote), "".join(part + "\n" for part in body)))
        out.append((line, bodies))
    return escape, out


def expanded(text, env, escape="\\", keep_unknown=False):
    """A word as the builders' lexer gives it: quotes removed, variables replaced."""
    out, i = [], 0

    def variable(i):
        """The value of a variable whose $ stands at i, and where it ends."""
        if text[i + 1 : i + 2] == "{":
            depth, end = 0, i + 1
            while end < len(text):
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
                if depth == 0:
                    break
            inner = text[i + 2 : end - 1]
            name = re.match(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!$-]", inner)
            name = name[0] if name else ""
            rest = inner[len(name):]
            value = env.get(name)
            if rest.startswith((":-", "-")):
                colon = rest.startswith(":")
                if value is None or colon and value == "":
                    value = expanded(rest[2 if colon else 1 :], env, escape)
            elif rest.startswith((":+", "+")):
                colon = rest.startswith(":")
                value = expanded(rest[2 if colon else 1 :], env, escape) if value or value is not None and not colon else ""
            return value or "", end
        name = re.match(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!$-]", text[i + 1 :])
        if not name:
            return "$", i + 1
        return env.get(name[0]) or "", i + 1 + len(name[0])

    while i < len(text):
        c = text[i]
        if c == "'":
            end = text.find("'", i + 1)
            if end < 0:
                raise Failed(f"open quote in {text}")
            out.append(text[i + 1 : end])
            i = end + 1
        elif c == '"':
            i += 1
            while i < len(text) and text[i] != '"':
                if text[i] == escape and text[i + 1 : i + 2] in ('"', "$", escape) and i + 1 < len(text):
                    out.append(text[i + 1])
                    i += 2
                elif text[i] == "$":
                    value, i = variable(i)
                    out.append(value)
                else:
                    out.append(text[i])
                    i += 1
            i += 1
        elif c == escape:
            out.append(text[i + 1 : i + 2])
            i += 2
        elif c == "$":
            value, i = variable(i)
            out.append(value)
        else:
            out.append(c)
            i += 1
    return "".join(out)


def words_of(text, escape="\\"):
    """A text at its blanks, quotes and escapes kept."""
    words, word, i, quote = [], "", 0, ""
    while i < len(text):
        c = text[i]
        if quote:
            if c == escape and quote == '"' and i + 1 < len(text):
                word += c
                i += 1
                c = text[i]
            elif c == quote:
                quote = ""
            word += c
        elif c in " \t":
            if word:
                words.append(word)
            word = ""
        else:
            if c in "'\"":
                quote = c
            elif c == escape and i + 1 < len(text):
                word += c
                i += 1
                c = text[i]
            word += c
        i += 1
    return words + [word] if word else words


def json_list(text):
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def pairs_of(rest, escape):
    words = words_of(rest, escape)
    if words and "=" not in words[0]:
        key, value = (re.split(r"[ \t]+", rest.strip(), maxsplit=1) + [""])[:2]
        return [(key, value)]
    return [tuple(word.split("=", 1)) if "=" in word else (word, "") for word in words]


def squashed(text):
    return re.sub(r"\s+", " ", text).strip()


def single_ports(port):
    """A port or a range of them, with the protocol."""
    ports, _, protocol = port.partition("/")
    first, _, last = ports.partition("-")
    if not first.isdigit() or last and not last.isdigit():
        return [port]
    return [f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1)]


def nanoseconds(text):
    units = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
    return sum(int(float(number) * units[unit]) for number, unit in re.findall(r"([0-9.]+)(ns|us|ms|s|m|h)", text))


# Debian's, which are in the base.
USERS = {"root": 0, "daemon": 1, "bin": 2, "lp": 7, "mail": 8, "nobody": 65534}
GROUPS = {"root": 0, "daemon": 1, "bin": 2, "adm": 4, "lp": 7, "mail": 8, "nogroup": 65534}


def owner(flag):
    """An option of COPY with numbers: an owner without a group has the group of the same number."""
    name, _, value = flag.partition("=")
    if name == "--chmod":
        return f"{name}={int(value, 8):o}"
    user, _, group = value.partition(":")
    uid = USERS.get(user, user)
    return f"{name}={uid}:{GROUPS.get(group, group) if group else uid}"


class Meaning:
    """The instructions of the last stage with all that it is built upon, as values."""

    def __init__(self, text, base_env=(PATH,), args=None, workdir="/"):
        self.base_env, self.base_workdir = base_env, workdir
        self.given = dict(args or {})
        self.escape, lines = logical_lines(text)
        self.stages = []
        self.env, self.args, self.outer = {}, {}, {}
        self.shell, self.workdir = ["/bin/sh", "-c"], "/"
        for line, bodies in lines:
            word, rest = (re.split(r"[ \t]+", line.strip(), maxsplit=1) + [""])[:2]
            self.instruction(word.upper(), rest.strip(), bodies)

    def list(self):
        return self.stages[-1]["list"] if self.stages else []

    def instruction(self, word, rest, bodies):
        if word == "FROM":
            return self.start(rest)
        if word == "ARG":
            for name, value in [(part.split("=", 1) + [None])[:2] for part in words_of(rest, self.escape)]:
                value = None if value is None else self.value(value)
                value = self.given.get(name, value)
                if not self.stages:
                    self.outer[name] = value
                    continue
                if value is None:
                    value = self.outer.get(name)
                self.args[name] = value
                self.say(("ARG", name))
            return
        if not self.stages:
            return
        flags = []
        if word in ("RUN", "COPY", "ADD", "HEALTHCHECK"):
            while found := re.match(r"(--[a-z][^ \t]*)[ \t]+(.*)$", rest, re.S):
                flags.append(found[1])
                rest = found[2]
        getattr(self, f"do_{word.lower()}", self.other)(word, rest, flags, bodies)

    def say(self, what):
        self.stages[-1]["list"].append(what)

    def value(self, text):
        known = {**{key: value for key, value in self.args.items() if value is not None}, **self.env}
        if not self.stages:
            known = {key: value for key, value in self.outer.items() if value is not None}
        return expanded(text, known, self.escape)

    def start(self, rest):
        words = [word for word in rest.split() if not word.startswith("--")]
        name = expanded(words[0], {k: v for k, v in self.outer.items() if v is not None}, self.escape)
        named = words[2].lower() if len(words) > 2 else None
        below = next((s for s in self.stages if s["name"] == name.lower()), None)
        if below is None:
            below = {"env": {}, "shell": ["/bin/sh", "-c"], "workdir": "/", "list": []}
            if name != "scratch":
                below["env"] = dict(pair.split("=", 1) for pair in self.base_env)
                below["workdir"] = self.base_workdir
        stage = {"name": named, "env": dict(below["env"]), "shell": list(below["shell"]), "workdir": below["workdir"], "list": list(below["list"])}
        self.stages.append(stage)
        self.env, self.args, self.shell, self.workdir = stage["env"], {}, stage["shell"], stage["workdir"]

    def env_(self, rest):
        return [(self.value(key), self.value(value)) for key, value in pairs_of(rest, self.escape)]

    def do_run(self, word, rest, flags, bodies):
        words = json_list(rest)
        if words is None:
            text = rest
            if bodies:
                text = rest if not rest.startswith("<<") or len(rest.split()) > 1 else bodies[0][2]
                text += "".join(body for _, _, body in bodies) if text == rest else ""
            words = [*self.shell, squashed(text)]
        else:
            words = [*words[:-1], squashed(words[-1])] if words else []
        self.say(("RUN", *words))

    def do_copy(self, word, rest, flags, bodies):
        words = json_list(rest)
        words = words if words is not None else words_of(rest, self.escape)
        words = [self.value(part) for part in words]
        target = words[-1] if words else ""
        target = target if target.startswith("/") else f"{self.workdir.rstrip('/')}/{target}"
        kept = tuple(sorted(owner(self.value(flag)) for flag in flags if flag.startswith(("--chown", "--chmod"))))
        self.say((word, *kept, os.path.normpath(target) if target else ""))

    do_add = do_copy

    def other(self, word, rest, flags, bodies):
        if word in ("ENV", "LABEL"):
            pairs = self.env_(rest)
            self.say((word, *sorted(dict(pairs).items())))
            if word == "ENV":
                self.env.update(pairs)
        elif word in ("CMD", "ENTRYPOINT"):
            words = json_list(rest)
            self.say((word, *([*self.shell, squashed(rest)] if words is None else words)))
        elif word == "SHELL":
            self.shell[:] = json_list(rest)
            self.say((word, *self.shell))
        elif word == "WORKDIR":
            path = self.value(rest)
            self.workdir = self.stages[-1]["workdir"] = os.path.normpath(os.path.join(self.workdir, path))
            self.say((word, self.workdir))
        elif word == "EXPOSE":
            ports = [one for part in words_of(rest, self.escape) for port in self.value(part).split() for one in single_ports(port)]
            self.say((word, *sorted(set(ports))))
        elif word == "VOLUME":
            words = json_list(rest)
            words = [self.value(part) for part in (words if words is not None else words_of(rest, self.escape))]
            self.say((word, *words))
        elif word == "HEALTHCHECK":
            kind, command = (rest.split(None, 1) + [""])[:2]
            words = json_list(command)
            flags = [f"{name}={nanoseconds(value)}" if value[-1:].isalpha() else flag for flag in flags for name, _, value in [flag.partition("=")]]
            self.say((word, *sorted(flags), kind.upper(), *(words if words is not None else ["shell", squashed(command)])))
        elif word in ("USER", "STOPSIGNAL"):
            self.say((word, self.value(rest)))
        elif word == "ONBUILD":
            self.say((word, squashed(rest)))
        else:
            self.say((word, squashed(rest)))
