"""The pages of imgdiff in Chromium: two releases of one image, hostile names, many paths. A part of graph.py."""
import hashlib
import io
import json
import tarfile

# What a phone and a desktop are to a page.
DEVICES = [("desktop", 1280, 900), ("phone", 390, 844)]


def layer(files):
    """A layer. A file is a number of zeros, a text, None for a directory, or a pair of one of them and a mode."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, what in files:
            about = tarfile.TarInfo(path)
            about.mtime = 1700000000
            what, about.mode = what if isinstance(what, tuple) else (what, 0o644)
            if what is None:
                about.type, about.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(about)
            else:
                data = bytes(what) if isinstance(what, int) else what.encode()
                about.size = len(data)
                tar.addfile(about, io.BytesIO(data))
    return out.getvalue()


def archive(path, name, layers, steps, config, created="2024-03-01T10:00:00Z"):
    """A docker-archive. A step is a command, and whether it made a layer."""
    digests = [hashlib.sha256(data).hexdigest() for data in layers]
    document = json.dumps({
        "architecture": "amd64", "os": "linux", "created": created, "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one}" for one in digests]},
        "history": [{"created": created, "created_by": text, **({} if made else {"empty_layer": True})} for text, made in steps],
    }).encode()
    members = {hashlib.sha256(document).hexdigest() + ".json": document}
    members |= {f"{digest}/layer.tar": data for digest, data in zip(digests, layers)}
    manifest = [{"Config": next(iter(members)), "RepoTags": [name], "Layers": [f"{one}/layer.tar" for one in digests]}]
    members["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return path


def status(*packages):
    """dpkg's list of packages: name and version each."""
    return "".join(f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n" for name, version in map(str.split, packages))


def python(version, packages, extra):
    """The layer that installs a version of Python."""
    modules = "abc argparse ast asyncio base64 csv datetime decimal email enum functools gzip hashlib heapq http json logging pathlib pickle queue random re socket ssl".split()
    top, tag = f"usr/lib/python{version}", version.replace(".", "")
    return layer([("var/lib/dpkg/status", status(*packages)), (f"usr/bin/python{version}", (6800000 + int(tag) * 1000, 0o755))]
                 + [(f"{top}/{name}.py", 9000 + 1300 * i) for i, name in enumerate(modules)]
                 + [(f"{top}/lib-dynload/_{name}.cpython-{tag}-x86_64-linux-gnu.so", 60000 + 9000 * i) for i, name in enumerate(modules[8:16])] + extra)


def program(version, port, mode, extra):
    """The layer with the program itself."""
    text = f"import asyncio\n\nVERSION = '{version}'\n\n\nasync def main():\n    server = await start(port={port})\n    await server.serve()\n"
    settings = f"[server]\nport = {port}\nworkers = 4\n" + ("timeout = 30\n" if extra[0][0].endswith(".mo") else "")
    return layer([("srv/app/main.py", text), ("etc/app.conf", settings), ("srv/app/entrypoint.sh", ("#!/bin/sh\nexec python3 main.py\n", mode)),
                  ("srv/app/static/bundle.js", 300000 + 20 * port), ("srv/app/static/style.css", 38000), *extra])


def releases(folder):
    """Two releases of one image, with a difference of every kind."""
    common = ["base-files 12.4+deb12u5", "tzdata 2024a-0+deb12u1"]
    old_packages = [*common, "libc6 2.36-9+deb12u4", "openssl 3.0.11-1~deb12u2"]
    new_packages = [*common, "libc6 2.36-9+deb12u7", "openssl 3.0.13-1~deb12u1"]
    libraries = "usr/lib/x86_64-linux-gnu"
    base = layer([("usr/bin/bash", (1265648, 0o755)), ("usr/bin/perl", (3783000, 0o755)), (f"{libraries}/libc.so.6", 1922136), (f"{libraries}/libcrypto.so.3", 4709384),
                  (f"{libraries}/libssl.so.3", 696352), ("etc/debian_version", "12.5\n"), ("var/lib/dpkg/status", status(*old_packages))])
    fixes = layer([("var/lib/dpkg/status", status(*new_packages)), (f"{libraries}/libcrypto.so.3", 4713480), (f"{libraries}/libssl.so.3", 696360), (f"{libraries}/libc.so.6", 1922140)])
    vendor = "srv/app/vendor"
    requests = layer([(f"{vendor}/requests/models.py", 35000), (f"{vendor}/requests/sessions.py", 30000), (f"{vendor}/chardet/big5freq.py", 31000)])
    httpx = layer([(f"{vendor}/httpx/_client.py", 65000), (f"{vendor}/httpx/_models.py", 42000), (f"{vendor}/idna/uts46data.py", 200000)])
    texts = [(f"srv/app/locale/{language}/messages.mo", 22000 + 900 * i) for i, language in enumerate(["de", "fr", "ja"])]

    def steps(python, module, user, check, fixed):
        install = "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends {} && rm -rf /var/lib/apt/lists/* # buildkit"
        return [("ADD rootfs.tar.xz / # buildkit", True), ('CMD ["bash"]', False),
                *([("RUN /bin/sh -c apt-get update && apt-get -y upgrade # buildkit", True)] if fixed else []),
                (install.format(python), True), (f"RUN /bin/sh -c pip install --no-cache-dir --target /srv/app/vendor {module} # buildkit", True),
                ("COPY . / # buildkit", True), ("ENV PYTHONUNBUFFERED=1", False), (f"USER {user}", False),
                (f'HEALTHCHECK &{{["CMD-SHELL" "{check}"] "30s" "5s"}}', False), ('ENTRYPOINT ["/srv/app/entrypoint.sh"]', False)]

    def config(version, port, user, env, **more):
        return {"Env": [*env, f"APP_VERSION={version}", "PYTHONUNBUFFERED=1"], "Entrypoint": ["/srv/app/entrypoint.sh"], "ExposedPorts": {f"{port}/tcp": {}},
                "User": user, "WorkingDir": "/srv/app", "Labels": {"org.opencontainers.image.version": version}, **more}

    old = [base, python("3.11", [*old_packages, "python3.11 3.11.2-6", "curl 7.88.1-10"], [("usr/bin/curl", (260000, 0o755)), (f"{libraries}/libcurl.so.4", 690000)]),
           requests, program("1.4", 8080, 0o644, [("srv/app/legacy/export.py", 52000)])]
    new = [base, fixes, python("3.12", [*new_packages, "python3.12 3.12.3-1", "python3-idna 3.3-1"], []), httpx, program("1.5", 8443, 0o755, texts)]
    path = "PATH=/usr/local/bin:/usr/bin:/bin"
    return [
        archive(folder / "shop-1.4.tar", "shop:1.4", old, steps("python3.11 curl", "requests==2.31", "root", "curl -f http://localhost:8080/health", False),
                config("1.4", 8080, "root", [path])),
        archive(folder / "shop-1.5.tar", "shop:1.5", new, steps("python3.12", "httpx==0.27", "app:app", "curl -f https://localhost:8443/health", True),
                config("1.5", 8443, "app:app", [path.replace("=", "=/srv/app/bin:"), "TZ=UTC"], Cmd=["--tls"]), "2024-05-17T09:30:00Z"),
    ]


def hostile(folder, texts):
    """Two images whose every text tries to be something else."""
    def image(name, size):
        files = [("odd", None)] + [("odd/" + text.replace("/", "_").replace("\0", ""), size + i) for i, text in enumerate(texts)]
        return archive(folder / f"{name}.tar", "nasty:1", [layer(files)], [(f"{text} {size}", i == 0) for i, text in enumerate(texts)],
                       {"Labels": {text: f"{text} {size}" for text in texts}, "Env": [f"A={text}{size}" for text in texts[:1]]})

    return [image("nasty-old", 10), image("nasty-new", 20)]


def many(folder, count):
    """Two images with this number of different paths."""
    def image(name, factor):
        files = [(f"usr/share/lib{i % 50}/part{i // 50 % 40}/file-{i:06}.txt", 10 + i * factor % 977) for i in range(count)]
        return archive(folder / f"{name}.tar", "many:1", [layer(files)], [(f"RUN {name}", True)], {})

    return [image("many-old", 3), image("many-new", 7)]


def see(checks, browser, folder, what, args, search, pictures=None):
    """Writes a page, and looks at it on each device; returns what the last one showed and the `fastest` time of each step."""
    page = checks.run("imgdiff", "--format", "html", *args)
    checks.true(f"{what}: the page is written", page.code in (0, 1) and not page.err, page.err)
    (folder / "report.html").write_bytes(page.out)
    seen, fastest = {}, {}
    for device, width, height in DEVICES:
        for scheme in ["light", "dark"]:
            where = f"{what}: page on a {device}, {scheme}"
            job = dict(do="report", file=folder / "report.html", width=width, height=height, scheme=scheme, search=search)
            if pictures and scheme == "light":
                job |= {"first": pictures / f"imgdiff-{device}.png"}
            seen = browser.ask(**job)
            checks.same(f"{where}: no errors, nothing fetched, no dialog", seen["errors"], [])
            if seen["errors"]:
                continue
            fastest = {step: min(seen[step], fastest.get(step, seen[step])) for step in ("load", "filter", "unfold")}
            checks.same(f"{where}: fits, its policy has no exception, few rows are in the document", [seen["overflow"], seen["unsafe"], seen["lines"] <= 120], [False, False, True])
            checks.true(f"{where}: the tree has what the search finds", seen["shown"] > 0 and search.lower() in seen["label"].lower(), str(seen))
            checks.true(f"{where}: keys open the details, and close them", search.lower() in seen["name"].lower() and seen["closed"], str(seen))
            checks.same(f"{where}: folded, unfolded, filtered by kind", [seen["folds"], seen["kinds"]], [True, True])
            checks.true(f"{where}: the map has tiles, by layer, too", seen["tiles"] > 0 and seen["byLayer"] > 0, str(seen))
            checks.true(f"{where}: on paper", seen["paper"] > 0 and not seen["paperOverflow"], str(seen))
    return seen | {"fastest": fastest}


def check(checks, browser, folder, texts, pictures=None):
    """All pages of imgdiff."""
    old, new = releases(folder)
    seen = see(checks, browser, folder, "two releases", [old, new], "bundle.js", pictures)
    parts = ["summary", "layers", "bytes", "files", "config", "history", "packages", "texts"]
    checks.same("two releases: parts of the page", seen.get("parts"), parts)
    see(checks, browser, folder, "two releases, texts", ["--text", old, new], "app.conf")
    see(checks, browser, folder, "two releases, a path", ["--text=/srv", old, new], "bundle.js")
    see(checks, browser, folder, "waste", ["--waste", new], "libcrypto")
    seen = see(checks, browser, folder, "hostile names", hostile(folder, texts), "onerror")
    checks.same("hostile names: shown as text", [seen.get("odd"), "<img src=x onerror=alert(1)>" in seen.get("name", "")], [0, True])
    # Ten times the paths may take ten times as long and some more for noise; what is quadratic takes a hundred times as long.
    few, more = (see(checks, browser, folder, f"{count:,} paths", many(folder, count), f"file-{count - 1:06}.txt") for count in (10000, 100000))
    for step in ("load", "filter", "unfold"):
        print(f"report: {step}: {few['fastest'].get(step)} ms with 10,000 paths, {more['fastest'].get(step)} ms with 100,000")
        checks.true(f"the page's time grows with its paths: {step}", more["fastest"].get(step, 1e9) <= 30 * max(few["fastest"].get(step, 1), 20), str([few, more]))
    same = checks.run("imgdiff", "--format", "html", old, old)
    (folder / "same.html").write_bytes(same.out)
    seen = browser.ask(do="svg", file=folder / "same.html")
    checks.same("the same image twice: a page without errors", [same.code, seen["errors"]], [0, []])
