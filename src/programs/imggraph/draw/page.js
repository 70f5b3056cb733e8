"use strict";
(() => {
  const { $, human, describe, treemap } = page;
  const data = JSON.parse($("data").textContent);
  const stage = $("stage"), picture = stage.querySelector("svg"), panel = $("panel");
  const cards = [...picture.querySelectorAll(".node")], lines = [...picture.querySelectorAll(".edge")];
  const size = picture.viewBox.baseVal;
  // Where the picture is: its upper left corner and its scale.
  let x = 0, y = 0, scale = 1;
  const place = () => { picture.style.transform = `translate(${x}px,${y}px) scale(${scale})`; };
  // All of it can be seen, however large it is.
  const least = () => Math.min(0.02, stage.clientWidth / size.width, stage.clientHeight / size.height);
  const bounded = (wanted) => Math.min(4, Math.max(least(), wanted));
  const zoom = (factor, cx, cy) => {
    const next = bounded(scale * factor);
    x = cx - (cx - x) * next / scale;
    y = cy - (cy - y) * next / scale;
    scale = next;
    fitted = false;
    place();
  };
  const middle = () => [stage.clientWidth / 2, stage.clientHeight / 2];
  // True until somebody moves or zooms the picture: it then fits a window of any size.
  let fitted = true;
  // The whole picture in view, beside the buttons, and no larger than it is.
  const fit = () => {
    const frame = stage.getBoundingClientRect(), bar = $("in").parentElement.getBoundingClientRect(), edge = 8;
    const above = bar.top - frame.top < frame.bottom - bar.bottom;
    const top = above ? bar.bottom - frame.top : edge, bottom = above ? edge : frame.bottom - bar.top;
    const room = [frame.width - 2 * edge, frame.height - top - bottom].map((one) => Math.max(one, 40));
    scale = Math.min(room[0] / size.width, room[1] / size.height, 1);
    x = edge + (room[0] - size.width * scale) / 2;
    y = top + (room[1] - size.height * scale) / 2;
    fitted = true;
    place();
  };
  const corner = (i) => cards[i].getAttribute("transform").match(/-?[\d.]+/g).map(Number);
  const center = (i) => {
    const [cx, cy] = corner(i);
    scale = Math.max(scale, 0.8);
    fitted = false;
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
    fitted = false;
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
    if (steps[event.key]) { fitted = false; x += steps[event.key][0]; y += steps[event.key][1]; place(); }
    else if (event.key === "+") zoom(1.25, ...middle());
    else if (event.key === "-") zoom(0.8, ...middle());
    else if (event.key === "0") fit();
    else if (event.key === "Escape") pick(-1);
    else return;
    event.preventDefault();
  });
  $("in").addEventListener("click", () => zoom(1.25, ...middle()));
  $("out").addEventListener("click", () => zoom(0.8, ...middle()));
  $("fit").addEventListener("click", fit);

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
    describe($("details"), node.d);
    panel.scrollTop = 0;
    // The panel takes room: what was picked stays in sight.
    const box = cards[i].getBoundingClientRect(), frame = stage.getBoundingClientRect();
    if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom) center(i);
    const map = data.maps.find((one) => one.i === node.i && cards[i].classList.contains("image"));
    $("map").hidden = !map;
    if (map) tiles(map, false);
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

  // Treemap of rows of [directory, layer, bytes, files].
  const colors = ["#9ec5fe", "#a3cfbb", "#ffe69c", "#f1aeb5", "#c5b3e6", "#9eeaf9", "#fecba1", "#c1d8a4", "#d3c4b4", "#efadce"];
  const tiles = (map, byLayer) => {
    $("by-directory").classList.toggle("on", !byLayer);
    $("by-layer").classList.toggle("on", byLayer);
    $("by-directory").onclick = () => tiles(map, false);
    $("by-layer").onclick = () => tiles(map, true);
    const node = (name, path, layer) => ({ name, path, layer, bytes: 0, files: 0, parts: [], at: new Map() });
    const root = node("", "", 0);
    for (const [path, layer, bytes, files] of map.f) {
      const own = `layer ${layer + 1}`, names = path === "" ? [] : path.split("/");
      const way = byLayer ? [own, ...names] : [...names, own];
      let at = root;
      for (const name of way) {
        at.bytes += bytes;
        at.files += files;
        if (!at.at.has(name)) {
          const one = node(name, name === own ? at.path : `${at.path}/${name}`, layer);
          at.at.set(name, one);
          at.parts.push(one);
        }
        at = at.at.get(name);
      }
      at.bytes += bytes;
      at.files += files;
    }
    // Files of a directory itself beside those of its directories.
    if (byLayer) {
      const work = [...root.parts];
      while (work.length) {
        const one = work.pop();
        const rest = one.parts.reduce(([bytes, files], part) => [bytes - part.bytes, files - part.files], [one.bytes, one.files]);
        work.push(...one.parts);
        if (one.parts.length && rest[0] > 0) one.parts.push({ ...node("/", one.path, one.layer), bytes: rest[0], files: rest[1] });
      }
    }
    const width = Math.max(280, $("tiles").clientWidth - 2);
    const say = (text) => { $("tile").textContent = text; };
    say(root.bytes ? `${human(root.bytes)} in ${root.files} files. Colours are layers; touch a tile.` : "No files of any size.");
    $("tiles").replaceChildren(treemap(root, {
      width, height: Math.round(width * 0.8), say,
      paint: (one) => ({ fill: colors[(one.layer || 0) % colors.length], class: "layer" }),
      tell: (one) => `${one.path || "/"}: ${human(one.bytes)}, ${one.rest ? `${one.rest} parts` : `${one.files} files`}, layer ${(one.layer || 0) + 1}`,
    }));
  };

  window.addEventListener("resize", () => (fitted ? fit() : place()));
  fit();
  // For links to a node: page.html#digest.
  const wanted = decodeURIComponent(location.hash.slice(1));
  const linked = wanted ? data.nodes.findIndex((node) => node.i === wanted || node.t === wanted) : -1;
  if (linked >= 0) { pick(linked); center(linked); }
})();
