"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const stage = $("stage"), picture = stage.querySelector("svg"), panel = $("panel");
  const cards = [...picture.querySelectorAll(".node")], lines = [...picture.querySelectorAll(".edge")];
  const size = picture.viewBox.baseVal;
  const make = (name, attributes, parent) => {
    const one = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) one.setAttribute(key, attributes[key]);
    if (parent) parent.append(one);
    return one;
  };
  const human = (bytes) => {
    const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit++; }
    return Number(bytes.toPrecision(3)) + units[unit];
  };

  // Where the picture is: its upper left corner and its scale.
  let x = 0, y = 0, scale = 1;
  const place = () => { picture.style.transform = `translate(${x}px,${y}px) scale(${scale})`; };
  const bounded = (wanted) => Math.min(4, Math.max(0.02, wanted));
  const zoom = (factor, cx, cy) => {
    const next = bounded(scale * factor);
    x = cx - (cx - x) * next / scale;
    y = cy - (cy - y) * next / scale;
    scale = next;
    place();
  };
  const middle = () => [stage.clientWidth / 2, stage.clientHeight / 2];
  const fit = (least) => {
    const whole = Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height, 1);
    scale = bounded(Math.max(whole, least));
    const room = [stage.clientWidth - size.width * scale, stage.clientHeight - size.height * scale];
    // What does not fit begins where the drawing does.
    x = room[0] >= 0 ? room[0] / 2 : data.grows === "RL" ? room[0] : 0;
    y = room[1] >= 0 ? room[1] / 2 : data.grows === "BT" ? room[1] : 0;
    if (room[1] < 0 && data.grows !== "BT" && cards.length) {
      const first = corner(0);
      y = Math.min(0, Math.max(room[1], stage.clientHeight / 2 - (first[1] + 33) * scale));
    }
    place();
  };
  const corner = (i) => cards[i].getAttribute("transform").match(/-?[\d.]+/g).map(Number);
  const center = (i) => {
    const [cx, cy] = corner(i);
    scale = Math.max(scale, 0.8);
    x = stage.clientWidth / 2 - (cx + 126) * scale;
    y = stage.clientHeight / 2 - (cy + 33) * scale;
    place();
  };

  // Fingers and mouse.
  const fingers = new Map();
  let moved = 0;
  stage.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 1) moved = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const dx = now[0] - before[0], dy = now[1] - before[1];
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved > 4 && !stage.hasPointerCapture(event.pointerId)) {
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("moving");
    }
    if (fingers.size === 1) {
      x += dx;
      y += dy;
      place();
    } else if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const far = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
      const frame = stage.getBoundingClientRect();
      zoom(far(now) / far(before), (now[0] + other[0]) / 2 - frame.left, (now[1] + other[1]) / 2 - frame.top);
      x += dx / 2;
      y += dy / 2;
      place();
    }
    fingers.set(event.pointerId, now);
  });
  const lift = (event) => {
    fingers.delete(event.pointerId);
    stage.classList.remove("moving");
  };
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = stage.getBoundingClientRect();
    const step = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    zoom(Math.exp(-step * 0.0018), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (steps[event.key]) { x += steps[event.key][0]; y += steps[event.key][1]; place(); }
    else if (event.key === "+") zoom(1.25, ...middle());
    else if (event.key === "-") zoom(0.8, ...middle());
    else if (event.key === "0") fit(0);
    else if (event.key === "Escape") pick(-1);
    else return;
    event.preventDefault();
  });
  $("in").addEventListener("click", () => zoom(1.25, ...middle()));
  $("out").addEventListener("click", () => zoom(0.8, ...middle()));
  $("fit").addEventListener("click", () => fit(0));

  // Details.
  const next = new Map(), before = new Map();
  for (const line of lines) {
    const a = Number(line.dataset.a), b = Number(line.dataset.b);
    if (!next.has(a)) next.set(a, []);
    if (!before.has(b)) before.set(b, []);
    next.get(a).push(b);
    before.get(b).push(a);
  }
  const reach = (from, steps) => {
    const seen = new Set([from]), work = [from];
    while (work.length) for (const to of steps.get(work.pop()) || []) if (!seen.has(to)) { seen.add(to); work.push(to); }
    return seen;
  };
  const pick = (i) => {
    cards.forEach((card) => card.classList.remove("picked"));
    panel.hidden = i < 0;
    const lit = i < 0 ? null : new Set([...reach(i, next), ...reach(i, before)]);
    cards.forEach((card, at) => card.classList.toggle("faint", lit !== null && !lit.has(at)));
    for (const line of lines) {
      line.classList.toggle("faint", lit !== null && !(lit.has(Number(line.dataset.a)) && lit.has(Number(line.dataset.b))));
    }
    if (i < 0) return;
    cards[i].classList.add("picked");
    const node = data.nodes[i];
    $("name").textContent = node.t;
    const list = $("details");
    list.replaceChildren();
    for (const [key, value] of node.d) {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = key;
      text.textContent = value;
      list.append(term, text);
    }
    panel.scrollTop = 0;
    // The panel takes room: what was picked stays in sight.
    const box = cards[i].getBoundingClientRect(), frame = stage.getBoundingClientRect();
    if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom) center(i);
    const map = data.maps.find((one) => one.i === node.i && cards[i].classList.contains("image"));
    $("map").hidden = !map;
    if (map) treemap(map, false);
  };
  stage.addEventListener("click", (event) => {
    if (moved > 4) return;
    const card = event.target.closest(".node");
    pick(card ? Number(card.dataset.n) : -1);
  });
  $("close").addEventListener("click", () => pick(-1));

  // Search.
  const texts = data.nodes.map((node) => [node.t, ...node.d.map((pair) => pair[1])].join("\n").toLowerCase());
  let hits = [], at = -1;
  const search = () => {
    const wanted = $("query").value.trim().toLowerCase();
    hits = wanted ? texts.flatMap((text, i) => (text.includes(wanted) ? [i] : [])) : [];
    at = -1;
    cards.forEach((card, i) => card.classList.toggle("hit", hits.includes(i)));
    $("hits").value = wanted ? `${hits.length} found` : "";
  };
  $("query").addEventListener("input", search);
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!hits.length) return;
    at = (at + 1) % hits.length;
    $("hits").value = `${at + 1} of ${hits.length}`;
    pick(hits[at]);
    center(hits[at]);
  });

  // Treemap: rows of [folder, layer, bytes, files], folders in folders, squares as square as may be.
  const colors = ["#9ec5fe", "#a3cfbb", "#ffe69c", "#f1aeb5", "#c5b3e6", "#9eeaf9", "#fecba1", "#c1d8a4", "#d3c4b4", "#efadce"];
  const treemap = (map, byLayer) => {
    $("by-folder").classList.toggle("on", !byLayer);
    $("by-layer").classList.toggle("on", byLayer);
    $("by-folder").onclick = () => treemap(map, false);
    $("by-layer").onclick = () => treemap(map, true);
    const root = { name: "", bytes: 0, files: 0, parts: new Map() };
    for (const [path, layer, bytes, files] of map.f) {
      const folders = path === "" ? [] : path.split("/");
      const last = byLayer ? "/" : `layer ${layer + 1}`;
      const way = byLayer ? [`layer ${layer + 1}`, ...folders, last] : [...folders, last];
      let node = root;
      for (const part of way) {
        node.bytes += bytes;
        node.files += files;
        if (!node.parts.has(part)) node.parts.set(part, { name: part, bytes: 0, files: 0, parts: new Map(), layer });
        node = node.parts.get(part);
      }
      node.bytes += bytes;
      node.files += files;
    }
    const width = Math.max(280, $("tiles").clientWidth - 2), height = Math.round(width * 0.8);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Treemap of files" });
    const tell = (text) => { $("tile").textContent = text; };
    const all = root.bytes;
    tell(all ? `${human(all)} in ${root.files} files. Colours are layers; touch a tile.` : "No files of any size.");
    const draw = (node, x, y, w, h, depth, path) => {
      const parts = [...node.parts.values()].filter((part) => part.bytes > 0).sort((a, b) => b.bytes - a.bytes);
      if (!parts.length || depth > 7 || w < 4 || h < 4) {
        const tile = make("rect", { x, y, width: Math.max(w, 0), height: Math.max(h, 0), fill: colors[(node.layer || 0) % colors.length], stroke: "#fff", "stroke-width": 0.6 }, svg);
        const text = `/${path.join("/")}: ${human(node.bytes)}, ${node.files} files, layer ${(node.layer || 0) + 1}`;
        make("title", {}, tile).textContent = text;
        tile.addEventListener("click", () => tell(text));
        tile.addEventListener("pointerenter", () => tell(text));
        return;
      }
      const head = depth > 0 && depth < 4 && w > 46 && h > 30 ? 15 : 0;
      if (head) {
        make("rect", { x, y, width: w, height: head, fill: "#eef1f5" }, svg);
        const room = Math.floor((w - 8) / 6.2);
        const label = `${node.name} ${human(node.bytes)}`;
        make("text", { x: x + 4, y: y + 11 }, svg).textContent = label.length > room ? label.slice(0, Math.max(1, room - 1)) + "…" : label;
      }
      for (const [part, px, py, pw, ph] of squares(parts, x, y + head, w, h - head)) {
        const inner = [...path];
        if (!/^layer \d+$/.test(part.name) && part.name !== "/") inner.push(part.name);
        draw(part, px, py, pw, ph, depth + 1, inner);
      }
      if (depth > 0 && depth < 3) make("rect", { x, y, width: w, height: h, class: "group" }, svg);
    };
    // Rows along the shorter side, each as long as it makes its tiles squarer.
    const squares = (parts, x, y, w, h) => {
      const placed = [];
      let rest = parts.reduce((sum, part) => sum + part.bytes, 0), i = 0;
      while (i < parts.length && w > 0 && h > 0) {
        const short = Math.min(w, h), area = (w * h) / rest;
        const worst = (sum, most, least) => Math.max((short * short * most) / (sum * sum * area), (sum * sum * area) / (short * short * least));
        let end = i, sum = 0;
        while (end < parts.length) {
          const more = sum + parts[end].bytes;
          if (end > i && worst(more, parts[i].bytes, parts[end].bytes) > worst(sum, parts[i].bytes, parts[end - 1].bytes)) break;
          sum = more;
          end++;
        }
        const thick = (sum * area) / short;
        let along = 0;
        for (; i < end; i++) {
          const long = (parts[i].bytes / sum) * short;
          placed.push(w >= h ? [parts[i], x, y + along, thick, long] : [parts[i], x + along, y, long, thick]);
          along += long;
        }
        if (w >= h) { x += thick; w -= thick; } else { y += thick; h -= thick; }
        rest -= sum;
      }
      return placed;
    };
    draw(root, 0, 0, width, height, 0, []);
    $("tiles").replaceChildren(svg);
  };

  window.addEventListener("resize", () => place());
  // All of it, unless that would be too small to make anything out.
  fit(0.2);
  // For links to a node: page.html#digest.
  const wanted = decodeURIComponent(location.hash.slice(1));
  const linked = wanted ? data.nodes.findIndex((node) => node.i === wanted || node.t === wanted) : -1;
  if (linked >= 0) { pick(linked); center(linked); }
})();
