#!/usr/bin/env python3
"""imggraph against those who know better: Graphviz, Mermaid, Chromium, podman, rpm, and an XML parser; and the pages of
imgdiff in Chromium (report.py).

    tests/cross/graph.py [CORPUS] [--pictures]

Needs dot, chromium, node, npm, podman, rpm and rpmbuild; Mermaid and a driver for Chromium come from the npm registry
into a temporary folder. With a corpus its archives are drawn, too. --pictures writes those of README.md.
"""
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import xml.dom.minidom
from pathlib import Path

import report
from imgkit import ENV, REPO, Checks, scratch, tell, tool

checks = Checks("graph")
FOREIGN = REPO / "testdata/foreign"
VIEWS = ["layers", "images", "blobs"]
CHROMIUM = "/usr/bin/chromium"
NASTY = [
    '"]; evil [label="',
    "a --> b",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>]]>&amp;",
    '-- \\" \\n \\',
    "#quot; #35; %% end subgraph click",
    "\x1b[31mred\u202e\u2028\x7f",
    "`tick` **bold** [x](y)",
    "\ufffe\uffff\ufeff",
    "*/ --> <!-- {{7*7}} '",
    "end",
    "1. list",
    "javascript:alert(1)",
]

# Reads jobs as JSON lines, answers each with a JSON line: one browser for everything.
DRIVER = r"""
import { chromium } from "playwright-core";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox"] });
const mermaidPage = await browser.newPage();
await mermaidPage.setContent("<!DOCTYPE html><body></body>");
await mermaidPage.addScriptTag({ content: readFileSync("node_modules/mermaid/dist/mermaid.min.js", "utf8") });
await mermaidPage.evaluate(() => mermaid.initialize({ startOnLoad: false, maxEdges: 100000, maxTextSize: 10000000 }));
const boxes = () => {
  // Of every card: its own box and those of its labels, as the browser draws them.
  const cards = [...document.querySelectorAll("svg.imggraph .node")];
  const box = (one) => { const r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const free = [...document.querySelectorAll("svg.imggraph > text")].map(box);
  return { cards: cards.map((card) => ({ box: box(card.querySelector(".card")), labels: [...card.querySelectorAll("text")].map(box) })), free };
};
async function open(job, errors) {
  const page = await browser.newPage({ viewport: { width: job.width || 1280, height: job.height || 800 }, hasTouch: !!job.touch, colorScheme: job.scheme || "light" });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  page.on("dialog", (dialog) => { errors.push("dialog: " + dialog.message()); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith("file:")) errors.push("request: " + request.url()); });
  await page.goto("file://" + job.file);
  return page;
}
const jobs = {
  async mermaid(job) {
    const text = readFileSync(job.file, "utf8");
    return mermaidPage.evaluate(async ([text, draw]) => {
      try {
        await mermaid.parse(text);
        if (!draw) return { ok: true };
        const { svg } = await mermaid.render("g" + Math.random().toString(36).slice(2), text);
        document.body.innerHTML = svg;
        const labels = [...document.querySelectorAll(".node .nodeLabel")].map((one) => one.innerText);
        const odd = document.body.querySelectorAll("script, img, [onload], [onerror]").length;
        return { ok: true, labels, odd, edges: document.querySelectorAll(".edgePaths path, path.flowchart-link").length };
      } catch (error) {
        return { ok: false, error: String(error.message || error).slice(0, 500) };
      }
    }, [text, job.draw]);
  },
  async svg(job) {
    const errors = [];
    const page = await open(job, errors);
    const found = await page.evaluate(boxes);
    if (job.picture) await page.screenshot({ path: job.picture });
    await page.close();
    return { ...found, errors };
  },
  async html(job) {
    const errors = [], seen = {};
    const page = await open(job, errors);
    seen.boxes = (await page.evaluate(boxes)).cards;
    // All of the picture is in sight, and nothing of it below the buttons.
    seen.inView = await page.evaluate(() => {
      const stage = document.getElementById("stage").getBoundingClientRect(), bar = document.querySelector("nav").getBoundingClientRect();
      return [...document.querySelectorAll("#stage .node")].every((node) => {
        const box = node.getBoundingClientRect();
        const apart = box.right <= bar.left || box.left >= bar.right || box.bottom <= bar.top || box.top >= bar.bottom;
        return apart && box.left >= stage.left && box.right <= stage.right && box.top >= stage.top && box.bottom <= stage.bottom;
      });
    });
    const transform = () => page.evaluate(() => document.querySelector("#stage>svg").style.transform);
    seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    const before = await transform();
    if (job.first) await page.screenshot({ path: job.first });
    await page.mouse.move(job.width / 2, job.height / 2);
    await page.mouse.wheel(0, -300);
    await page.waitForTimeout(50);
    seen.zoomed = (await transform()) !== before;
    const zoomed = await transform();
    await page.mouse.down();
    await page.mouse.move(job.width / 2 + 40, job.height / 2 + 25, { steps: 4 });
    await page.mouse.up();
    seen.panned = (await transform()) !== zoomed;
    seen.shut = await page.evaluate(() => document.getElementById("panel").hidden);
    await page.click("#fit");
    if (job.search) {
      await page.fill("#query", job.search);
      seen.hits = await page.evaluate(() => document.getElementById("hits").value);
      await page.press("#query", "Enter");
      await page.waitForTimeout(50);
      seen.name = await page.evaluate(() => document.getElementById("name").textContent);
      seen.details = await page.evaluate(() => document.getElementById("details").innerText);
      seen.tiles = await page.evaluate(() => document.querySelectorAll("#tiles .tile").length);
      seen.tileText = await page.evaluate(() => document.getElementById("tile").textContent);
      seen.visible = await page.evaluate(() => {
        const card = document.querySelector(".node.picked").getBoundingClientRect(), stage = document.getElementById("stage").getBoundingClientRect();
        return card.left >= stage.left && card.right <= stage.right && card.top >= stage.top && card.bottom <= stage.bottom;
      });
      if (seen.tiles) {
        await page.click("#by-layer");
        seen.byLayer = await page.evaluate(() => document.querySelectorAll("#tiles .tile").length);
        await page.click("#by-directory");
      }
      if (job.second) {
        await page.evaluate(() => { document.getElementById("query").value = ""; document.getElementById("query").dispatchEvent(new Event("input")); });
        await page.screenshot({ path: job.second });
      }
      await page.click("#close");
      seen.closed = await page.evaluate(() => document.getElementById("panel").hidden);
    }
    await page.close();
    return { ...seen, errors };
  },
  async report(job) {
    const errors = [], seen = {};
    const page = await open(job, errors);
    const ask = (run, what) => page.evaluate(run, what);
    const frame = () => ask(() => new Promise((done) => setTimeout(done, 250)));
    const timed = async (run) => { const start = Date.now(); await run(); return Date.now() - start; };
    await frame();
    seen.load = await ask(() => Math.round(performance.getEntriesByType("navigation")[0].loadEventEnd));
    seen.overflow = await ask(() => document.documentElement.scrollWidth > innerWidth);
    seen.unsafe = await ask(() => document.querySelector("meta[http-equiv]").content.includes("unsafe"));
    seen.parts = await ask(() => [...document.querySelectorAll("main > section")].map((one) => one.id));
    seen.odd = await ask(() => document.querySelectorAll("img, iframe, object, [onload], [onerror], [style*=url]").length);
    seen.tiles = await ask(() => document.querySelectorAll("#tiles .tile").length);
    // The picture of README.md: from the verdict to the first lines of the tree.
    if (job.first) await page.screenshot({ path: job.first, fullPage: true, clip: { x: 0, y: 0, width: job.width, height: job.width > 720 ? 1640 : 1500 } });
    seen.unfold = await timed(() => page.click("#unfold"));
    const lines = () => ask(() => document.querySelectorAll("#rows .row").length);
    const high = () => ask(() => document.getElementById("rows").offsetHeight);
    seen.lines = await lines();
    const unfolded = await high();
    await page.click("#fold");
    seen.folds = (await high()) < unfolded || unfolded === 0;
    const chips = await page.$$("#kinds .chip");
    await chips[0].click();
    const less = await ask(() => document.getElementById("count").textContent);
    seen.kinds = less.includes(" of ");
    await chips[0].click();
    seen.filter = await timed(() => page.fill("#query", job.search));
    await frame();
    seen.shown = await lines();
    seen.label = await ask(() => document.getElementById("rows").textContent);
    // With keys alone: into the tree, to its last line, and its details.
    await page.press("#query", "Enter");
    await page.press("#tree", "End");
    await page.press("#tree", "Enter");
    seen.name = await ask(() => document.getElementById("name").textContent);
    await page.press("#tree", "Escape");
    seen.closed = await ask(() => document.getElementById("panel").hidden);
    await page.fill("#query", "");
    await page.click("#by-layer");
    seen.byLayer = await ask(() => document.querySelectorAll("#tiles .tile").length);
    await ask(() => window.dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    seen.paper = await lines();
    seen.paperOverflow = await ask(() => document.documentElement.scrollWidth > innerWidth);
    await page.close();
    return { ...seen, errors };
  },
};
console.log(JSON.stringify("ready"));
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  try { console.log(JSON.stringify(await jobs[job.do](job))); } catch (error) { console.log(JSON.stringify({ ok: false, errors: [String(error)], error: String(error) })); }
}
await browser.close();
"""


class Browser:
    """Chromium and Mermaid behind a pipe."""

    def __init__(self, folder):
        (folder / "driver.mjs").write_text(DRIVER)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        tool("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel", "error", "--ignore-scripts",
             "mermaid@11", "playwright-core@1")
        self.process = subprocess.Popen(["node", "driver.mjs", CHROMIUM], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if json.loads(self.process.stdout.readline() or "null") != "ready":
            sys.exit("graph: Chromium does not start")

    def ask(self, **job):
        job = {key: str(value) if isinstance(value, Path) else value for key, value in job.items()}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def apart(boxes, slack=0.5):
    """Whether no two boxes overlap by more than half a pixel."""
    boxes = sorted(boxes)
    for i, a in enumerate(boxes):
        for b in boxes[i + 1:]:
            if b[0] >= a[2] - slack:
                break
            if a[1] < b[3] - slack and b[1] < a[3] - slack:
                return False
    return True


def check_boxes(what, found):
    cards, free = found["cards"], found.get("free", [])
    checks.true(f"{what}: cards lie apart", apart([card["box"] for card in cards]))
    checks.true(f"{what}: labels lie apart", apart([label for card in cards for label in card["labels"]] + free))
    inside = all(
        card["box"][0] <= label[0] + 0.5 and label[2] <= card["box"][2] + 0.5 and card["box"][1] <= label[1] + 0.5 and label[3] <= card["box"][3] + 0.5
        for card in cards for label in card["labels"]
    )
    checks.true(f"{what}: labels are inside their cards", inside)


def draw(*args):
    run = checks.run("imggraph", *args)
    return run.out


def check_formats(browser, folder, what, args, codes=(0,), deep=True):
    """All formats of one graph, each read by the one it is for."""
    # The direction is nothing to JSON, and refused there.
    plain = [*args[2:]] if args[:1] == ["--rankdir"] else args
    run = checks.run("imggraph", *plain, "--format", "json")
    graph = run.json()
    if not checks.true(f"{what}: it is drawn", run.code in codes and graph is not None, tell(run)):
        return
    nodes, edges = len(graph["Nodes"]), len(graph["Edges"])
    ids = [node["ID"] for node in graph["Nodes"]]
    checks.same(f"{what}: IDs are unique", len(set(ids)), nodes)
    checks.true(f"{what}: edges join nodes", all(edge[end] in ids for edge in graph["Edges"] for end in ("From", "To")))

    dot = draw(*args, "--format", "dot")
    done = subprocess.run(["dot", "-Tjson0"], input=dot, capture_output=True)
    read = json.loads(done.stdout) if done.returncode == 0 else {}
    checks.same(f"{what}: dot reads it, nodes and edges", [done.returncode, done.stderr.decode(), len(read.get("objects", [])), len(read.get("edges", []))], [0, "", nodes, edges])
    if done.returncode == 0 and edges:
        name = {one["_gvid"]: one["name"] for one in read["objects"]}
        back = graph["View"] in ("layers", "images")
        ends = [(int(name[one["tail"]][1:]), int(name[one["head"]][1:])) for one in read["edges"]]
        ends = [(ids[b], ids[a]) if back else (ids[a], ids[b]) for a, b in ends]
        checks.same(f"{what}: dot has the same edges", sorted(ends), sorted((edge["From"], edge["To"]) for edge in graph["Edges"]))

    (folder / "g.mmd").write_bytes(draw(*args, "--format", "mermaid"))
    answer = browser.ask(do="mermaid", file=folder / "g.mmd", draw=deep and nodes > 0 and nodes < 60)
    checks.true(f"{what}: Mermaid reads it", answer["ok"], answer.get("error", ""))
    if "labels" in answer:
        checks.same(f"{what}: Mermaid draws all nodes, and nothing that acts", [len(answer["labels"]), answer["odd"]], [nodes, 0])
        titles = [label.split("\n")[0].strip() for label in answer["labels"]]
        checks.true(f"{what}: Mermaid's labels are ours", all(titles), str(titles))

    svg = draw(*args, "--format", "svg")
    try:
        cards = [one for one in xml.dom.minidom.parseString(svg).getElementsByTagName("g") if one.getAttribute("class").startswith("node ")]
    except Exception as error:
        cards = str(error)
    checks.true(f"{what}: the SVG is well-formed and has all nodes", len(cards) == nodes, str(cards)[:200])
    (folder / "g.svg").write_bytes(svg)
    found = browser.ask(do="svg", file=folder / "g.svg")
    checks.same(f"{what}: Chromium shows the SVG without errors", found["errors"], [])
    check_boxes(f"{what}: SVG", found)


def check_page(browser, folder, what, args, search, codes=(0,), pictures=None):
    run = checks.run("imggraph", *args, "--format", "html")
    checks.true(f"{what}: the page is written", run.code in codes, tell(run))
    (folder / "g.html").write_bytes(run.out)
    for device, width, height in [("desktop", 1280, 800), ("phone", 390, 844)]:
        job = dict(do="html", file=folder / "g.html", width=width, height=height, search=search)
        if pictures:
            job |= {"first": pictures / f"imggraph-{device}.png", "second": pictures / f"imggraph-{device}-details.png"}
        seen = browser.ask(**job)
        where = f"{what}: page on a {device}"
        checks.same(f"{where}: no errors, nothing fetched, no dialog", seen["errors"], [])
        if seen["errors"]:
            continue
        checks.same(f"{where}: fits, zooms, pans", [seen["overflow"], seen["zoomed"], seen["panned"], seen["shut"]], [False, True, True, True])
        checks.true(f"{where}: it opens with everything in view", seen["inView"])
        check_boxes(where, {"cards": seen["boxes"]})
        checks.true(f"{where}: search finds '{search}'", seen["hits"] != "0 found" and seen["name"] != "", seen["hits"])
        checks.same(f"{where}: what was found is in sight, and the panel closes", [seen["visible"], seen["closed"]], [True, True])
        if seen["tiles"]:
            checks.true(f"{where}: treemap by directory and by layer", seen["byLayer"] > 0 and "files" in seen["tileText"], seen["tileText"])
    return seen


def nasty_layout(folder):
    """A layout whose every text tries to be something else."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    manifests = []
    for i, text in enumerate(NASTY):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            about = tarfile.TarInfo(f"f{i}/" + re.sub("[\0/]", "_", text))
            about.size = 10
            tar.addfile(about, io.BytesIO(b"0123456789"))
        layer = out.getvalue()
        config = {"architecture": text, "os": text, "created": text, "author": text, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
                  "history": [{"created": text, "created_by": text, "comment": text}], "config": {"Labels": {text: text}}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **put(json.dumps(config).encode())},
                    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(layer)}]}
        manifests.append({"mediaType": manifest["mediaType"], **put(json.dumps(manifest).encode()), "annotations": {"org.opencontainers.image.ref.name": text}})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def podman_ids(diff_ids):
    """The IDs that podman's storage gives to a stack of layers."""
    ids = []
    for diff_id in diff_ids:
        encoded = diff_id.split(":")[1]
        ids.append(hashlib.sha256(f"{ids[-1]}+{encoded}".encode()).hexdigest() if ids else encoded)
    return ids


def stack_of(graph, image):
    """The layers of an image from the base upward, by the edges of the graph."""
    nodes = {node["ID"]: node for node in graph["Nodes"]}
    below = {edge["From"]: edge["To"] for edge in graph["Edges"]}
    stack, at = [], below.get(image["ID"])
    while at:
        stack = nodes[at]["Layers"] + stack
        at = below.get(at)
    return stack


def check_podman(folder, archives):
    podman = ["podman", "--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "vfs"]
    for archive in archives:
        tool(*podman, "load", "-q", "-i", archive)
    graph = checks.run("imggraph", "--format", "json", *archives).json()
    images = [node for node in graph["Nodes"] if node["Kind"] == "image"]
    listed = json.loads(tool(*podman, "images", "-a", "--no-trunc", "--format", "json"))
    checks.same("podman has the same images", sorted({one["Id"] for one in listed}), sorted(image["Digest"].split(":")[1] for image in images))
    for image in images:
        encoded = image["Digest"].split(":")[1]
        what = f"podman image tree {image['Names'][0]}"
        text = tool(*podman, "image", "tree", encoded).decode()
        rows = re.findall(r"(?<!Image )ID: ([0-9a-f]{12}) Size: *(\S+)(?: Top Layer of: \[([^\]]*)\])?", text)
        stack = stack_of(graph, image)
        ids = podman_ids([layer["DiffID"] for layer in stack])
        checks.same(f"{what}: layer for layer", [row[0] for row in rows], [one[:12] for one in ids])
        # Which images end on which layer.
        for (row_id, _, names), layer in zip(rows, stack):
            node = f"layer:{layer['ChainID']}"
            expected = sorted(name for name in re.split(r"[ ,]+", names) if name)
            on = {edge["From"] for edge in graph["Edges"] if edge["To"] == node}
            here = [one for one in images if one["ID"] in on]
            is_top = any(one["Layers"] and one["Layers"][-1] == layer for one in graph["Nodes"] if one["ID"] == node) or bool(here)
            if is_top:
                found = sorted(full_name(name) for one in here for name in one["Names"])
                checks.same(f"{what}: images on layer {row_id}", found, expected)
        # What would have to be rebuilt: layers on its topmost one, and the images on these.
        text = tool(*podman, "image", "tree", "--whatrequires", encoded).decode()
        above = set(re.findall(r"(?<!Image )ID: ([0-9a-f]{12})", text)) - {ids[-1][:12]}
        down = checks.run("imggraph", "--unfold", "--format", "json", "--down", image["Names"][0], *archives).json()
        found = set()
        for one in (node for node in down["Nodes"] if node["Kind"] == "image"):
            stack = stack_of(graph, one)
            own = podman_ids([layer["DiffID"] for layer in stack])
            found.update(layer[:12] for layer in own[own.index(ids[-1]) + 1:])
        checks.same(f"{what} --whatrequires: --down draws the same layers", sorted(found), sorted(above))


def full_name(name):
    """As podman calls what docker called so."""
    first = name.split("/")[0]
    return name if "/" in name and ("." in first or ":" in first or first == "localhost") else f"localhost/{name}"


def check_rpm(folder):
    """What rpm itself says of a database that it wrote."""
    top, db = folder / "top", folder / "db"
    top.mkdir()
    for name, version, path, extra in [
        ("base", "1.0", "/usr/share/base/data", "Provides: virtual-base = 1"),
        ("libfoo", "3.1", "/usr/bin/foo-tool", "Epoch: 2\nRequires: base >= 1.0"),
        ("app", "0.9", "/opt/app/run", "Requires: libfoo, virtual-base, /usr/bin/foo-tool, missing-thing >= 7"),
    ] + [(f"filler{i}", "1", f"/usr/share/filler/{i}/" + "x" * 120, "Requires: base") for i in range(20)]:
        spec = f"Name: {name}\nVersion: {version}\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n{extra}\n%description\n{'long ' * 800}\n%install\nmkdir -p %{{buildroot}}{os.path.dirname(path)}\necho x > %{{buildroot}}{path}\n%files\n{path}\n"
        (top / "one.spec").write_text(spec)
        tool("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", top / "one.spec")
    packages = sorted((top / "RPMS/noarch").glob("*.rpm"))
    tool("rpm", "--dbpath", db, "--define", "_db_backend sqlite", "-i", "--justdb", "--nodeps", "--noscripts", "--ignoreos", "--ignorearch", *packages)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(db / "rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite")
    layout = folder / "layout"
    one_image(layout, out.getvalue())
    graph = checks.run("imggraph", "--view", "packages", "--format", "json", layout).json()
    found = sorted([node["Names"][0], node["Digest"], node["Facts"]["architecture"], node["SizeBytes"]] for node in graph["Nodes"])
    asked = tool("rpm", "--dbpath", db, "-qa", "--qf", r"%{name}\t%|epoch?{%{epoch}:}|%{version}-%{release}\t%{arch}\t%{size}\n").decode()
    expected = sorted([*row.split("\t")[:3], int(row.split("\t")[3])] for row in asked.splitlines())
    checks.same("rpm lists the same packages", found, expected)
    nodes = {node["ID"]: node["Names"][0] for node in graph["Nodes"]}
    found = sorted({(nodes[edge["From"]], nodes[edge["To"]]) for edge in graph["Edges"]})
    expected = set()
    for name in nodes.values():
        for need in tool("rpm", "--dbpath", db, "-q", "--requires", name).decode().splitlines():
            need = need.split(" ")[0]
            if need.startswith("rpmlib("):
                continue
            who = subprocess.run(["rpm", "--dbpath", db, "-q", "--whatprovides", "--qf", "%{name}\n", need], capture_output=True, text=True)
            expected.update((name, other) for other in who.stdout.splitlines() if who.returncode == 0 and other != name)
    checks.same("rpm resolves what they need in the same way", found, sorted(expected))


def one_image(folder, layer):
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **put(json.dumps(config).encode())},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(layer)}]}
    index = {"schemaVersion": 2, "manifests": [{"mediaType": manifest["mediaType"], **put(json.dumps(manifest).encode())}]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def check_sizes(what, archive):
    """Sizes are those of imghistory, and a shared layer is one node."""
    for size, key in [("raw", "SizeBytes"), ("compressed", "StoredBytes")]:
        graph = checks.run("imggraph", "--unfold", "--size", size, "--format", "json", archive).json()
        images = [node for node in graph["Nodes"] if node["Kind"] == "image"]
        steps, least = {}, {}
        # Each manifest by its own name: one layer may be stored in several ways, and the smallest counts.
        listed = checks.run("imgls", "--no-trunc", "--format", "json", archive).rows()
        for i, row in enumerate(listed):
            name = next((name for name in (row["Repository"], row["Tag"]) if name != "<none>"), "")
            place = f"{archive}:{row['Repository']}:{row['Tag']}" if "<none>" not in (row["Repository"], row["Tag"]) else f"{archive}:{name}"
            rows = checks.run("imghistory", "--no-trunc", "--format", "json", "--", place).rows()
            rows = [row for row in reversed(rows) if row["DiffID"]]
            steps[row["ImageID"]] = rows
            for one in rows:
                least[one["DiffID"]] = min(least.get(one["DiffID"], one[key]), one[key])
        for image in images:
            expected = [[row["DiffID"], least[row["DiffID"]] if size == "compressed" else row[key]] for row in steps[image["Digest"]]]
            found = [[layer["DiffID"], layer["SizeBytes"]] for layer in stack_of(graph, image)]
            checks.same(f"{what}: {image['Names']}: {size} sizes are those of imghistory", found, expected)
        chains = [layer["ChainID"] for node in graph["Nodes"] for layer in node["Layers"]]
        checks.same(f"{what}: each layer is drawn once", len(chains), len(set(chains)))


def status_of(archive):
    """dpkg's list in the one image of a docker-archive, read by other code: the topmost layer that has it."""
    with tarfile.open(archive) as outer:
        layers = json.load(outer.extractfile("manifest.json"))[0]["Layers"]
        for name in reversed(layers):
            with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                inside = [one for one in layer.getnames() if one.removeprefix("./") == "var/lib/dpkg/status"]
                if not inside:
                    continue
                text = layer.extractfile(inside[0]).read().decode()
                fields = [dict(re.findall(r"^(\S+): (.*)$", part, re.M)) for part in text.split("\n\n")]
                return sorted([one["Package"], one["Version"]] for one in fields if one.get("Status", "").endswith(" installed"))


def check_corpus(browser, folder, corpus, pictures):
    archives = [corpus / name for name in ["classic.tar", "classic2.tar", "multi.tar", "buildkit.tar", "big.tar"]]
    layouts = [corpus / "oci"]
    for archive in [*archives, *layouts]:
        check_sizes(archive.name, archive)
    store = folder / "store"
    for archive in archives[:3]:
        checks.run("imgload", "-q", "--store", store, "-i", archive)
    run = checks.run("imggraph", "--store", store, "--format", "json")
    graph = run.json()
    roots = [node for node in graph["Nodes"] if node["Kind"] == "layer" and node["Layers"][0]["Number"] == 1]
    checks.true("store: the shared base is drawn once", len(roots) == 1 and roots[0]["SharedBy"] == len([n for n in graph["Nodes"] if n["Kind"] == "image"]), tell(run))
    found = checks.run("imggraph", "--view", "packages", "--format", "json", corpus / "classic.tar").json()
    found = sorted([node["Names"][0], node["Digest"]] for node in found["Nodes"] if node["Facts"]["manager"] == "dpkg")
    checks.same("classic.tar: dpkg's packages", found, status_of(corpus / "classic.tar"))
    for view in VIEWS:
        check_formats(browser, folder, f"corpus, {view}", ["--view", view, *archives, *layouts])
    check_formats(browser, folder, "corpus, packages", ["--view", "packages", corpus / "classic.tar"], deep=False)
    check_page(browser, folder, "corpus", archives, "corpus/classic:1", pictures=pictures)
    if pictures:
        (folder / "p.svg").write_bytes(draw("--format", "svg", *archives))
        browser.ask(do="svg", file=folder / "p.svg", width=1240, height=620, picture=pictures / "imggraph-svg.png")
    check_podman(folder / "podman-corpus", [corpus / "classic.tar", corpus / "classic2.tar"])


def main():
    arguments = [one for one in sys.argv[1:] if one != "--pictures"]
    corpus = Path(arguments[0]).resolve() if arguments else None
    pictures = REPO / "testdata/pictures" if "--pictures" in sys.argv else None
    if pictures:
        pictures.mkdir(exist_ok=True)
    with scratch() as folder:
        folder = Path(folder)
        (folder / "browser").mkdir()
        browser = Browser(folder / "browser")
        archives = sorted(path for path in FOREIGN.iterdir() if path.suffix == ".tar" and path.name != "rootfs.tar") + [FOREIGN / "umoci", FOREIGN / "skopeo-dir"]
        for view in VIEWS:
            check_formats(browser, folder, f"all of testdata/foreign, {view}", ["--view", view, *archives], deep=False)
        for archive in archives:
            for view in VIEWS:
                check_formats(browser, folder, f"{archive.name}, {view}", ["--view", view, archive])
        for rankdir in ["RL", "TB", "BT"]:
            check_formats(browser, folder, f"docker-multi.tar, {rankdir}", ["--rankdir", rankdir, FOREIGN / "docker-multi.tar"])
        nasty_layout(folder / "nasty")
        for view in VIEWS:
            check_formats(browser, folder, f"hostile names, {view}", ["--view", view, folder / "nasty"])
        seen = check_page(browser, folder, "hostile names", [folder / "nasty"], "onerror")
        checks.true("hostile names: shown as text", "<img src=x onerror=alert(1)>" in seen["name"] + seen["details"], seen["name"])
        check_page(browser, folder, "docker-multi.tar", [FOREIGN / "docker-multi.tar"], "imgkit-test/web:1")
        check_podman(folder / "podman", [FOREIGN / "docker-multi.tar", FOREIGN / "docker-classic.tar", FOREIGN / "docker-buildkit.tar"])
        (folder / "report").mkdir()
        report.check(checks, browser, folder / "report", NASTY, pictures)
        (folder / "rpm").mkdir()
        check_rpm(folder / "rpm")
        if corpus:
            check_corpus(browser, folder, corpus, pictures)
        browser.end()
    checks.done()


main()
