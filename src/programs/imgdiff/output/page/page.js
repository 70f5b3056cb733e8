"use strict";
(() => {
  const { $, make, draw, human, describe, treemap } = page;
  const query = $("query"), panel = $("panel");
  for (const link of document.querySelectorAll("nav.parts a")) link.hidden = !document.querySelector(link.hash);

  // What is in the page itself: values, steps, packages and texts, one element with the class find each.
  const fixed = [...document.querySelectorAll(".find")];
  const runs = [...document.querySelectorAll("details.run")];
  const search = (wanted) => {
    let found = 0;
    for (const one of fixed) {
      one.hidden = wanted !== "" && !one.textContent.toLowerCase().includes(wanted);
      if (!one.hidden) found++;
    }
    for (const run of runs) {
      const inside = [...run.querySelectorAll(".find")];
      if (!inside.length) continue;
      run.hidden = inside.every((one) => one.hidden);
      run.open = wanted !== "" && !run.hidden;
    }
    return found;
  };

  // Columns of a row, see the page's data.
  const DIRECTORY = 0, NAME = 1, KIND = 2, WAS = 3, WAS_SIZE = 4, IS = 5, IS_SIZE = 6, BYTES = 7, NOTE = 8, BY = 9, TEXT = 10;
  const source = $("data");
  const data = source ? JSON.parse(source.textContent) : { rows: [], directories: [], attributes: [], layers: [], kinds: [] };
  if (source) source.textContent = "";
  const kinds = data.kinds.map(([letter, label, color]) => ({ letter, label, color, on: true, count: 0 }));
  const number = (count) => count.toLocaleString("en-US");
  const signed = (bytes) => (bytes < 0 ? "−" : "+") + human(Math.abs(bytes), " ");

  // The tree. A node is a path with a row, or a directory of some.
  const all = [];
  const node = (name, path, parent) => {
    const one = { name, path, parent, parts: [], row: null, open: false, hits: 0, bytes: 0, delta: 0, counts: null, weights: null, stamp: 0 };
    all.push(one);
    if (parent) parent.parts.push(one);
    return one;
  };
  const root = node("", "", null);
  const known = new Map([["", root]]);
  const directory = (path) => {
    const missing = [];
    let at = path;
    while (!known.has(at)) {
      missing.push(at);
      at = at.includes("/") ? at.slice(0, at.lastIndexOf("/")) : "";
    }
    let found = known.get(at);
    while (missing.length) {
      at = missing.pop();
      found = node(at.slice(at.lastIndexOf("/") + 1), at, found);
      known.set(at, found);
    }
    return found;
  };
  for (const row of data.rows) {
    const above = data.directories[row[DIRECTORY]];
    const path = row[NAME] === "" ? "" : above === "" ? row[NAME] : `${above}/${row[NAME]}`;
    let own = known.get(path);
    // Two names may look the same when they are escaped.
    if (!own || own.row) {
      own = node(row[NAME], path, directory(above));
      if (!known.has(path)) known.set(path, own);
    }
    own.row = row;
    kinds[row[KIND]].count++;
  }
  const layersOf = (row) => (Array.isArray(row[BY]) ? row[BY] : row[BY] < 0 ? [] : [row[BY]]);
  const layerName = (at) => data.layers[at][1];

  // The filter: words of the search, kinds, a layer. Sums of directories are those of the rows that pass it.
  let wanted = "", layer = -1, stamp = 1;
  const passes = (one) => {
    const row = one.row;
    if (!kinds[row[KIND]].on || (layer >= 0 && !layersOf(row).includes(layer))) return false;
    if (wanted === "") return true;
    if (one.text === undefined) one.text = `/${one.path}\n${row[NOTE]}`.toLowerCase();
    return one.text.includes(wanted);
  };
  const tally = () => {
    stamp++;
    for (const one of all) {
      one.hits = 0;
      one.bytes = 0;
      one.delta = 0;
      one.counts = kinds.map(() => 0);
      one.weights = kinds.map(() => 0);
    }
    for (let i = all.length - 1; i >= 0; i--) {
      const one = all[i], row = one.row, above = one.parent;
      if (row && passes(one)) {
        one.hits++;
        one.bytes += row[BYTES];
        if (row[BYTES]) one.delta += row[IS_SIZE] - row[WAS_SIZE];
        one.counts[row[KIND]]++;
        one.weights[row[KIND]] += row[BYTES];
      }
      if (!above || !one.hits) continue;
      above.hits += one.hits;
      above.bytes += one.bytes;
      above.delta += one.delta;
      for (let k = 0; k < kinds.length; k++) {
        above.counts[k] += one.counts[k];
        above.weights[k] += one.weights[k];
      }
    }
  };

  let bySize = data.bySize === true;
  const sorted = (one) => {
    const wanted = bySize ? -stamp : stamp;
    if (one.stamp !== wanted) {
      const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
      one.parts.sort(bySize ? (a, b) => b.bytes - a.bytes || byName(a, b) : byName);
      one.stamp = wanted;
    }
    return one.parts;
  };
  // More rows than a browser can scroll over are not listed.
  const MOST = 400000;
  let list = [], active = null;
  const flatten = () => {
    list = [];
    const work = [];
    const push = (one, depth) => {
      const parts = sorted(one);
      for (let i = parts.length - 1; i >= 0; i--) if (parts[i].hits) work.push([parts[i], depth]);
    };
    if (root.row && root.hits && passes(root)) list.push({ one: root, label: "/", depth: 0 });
    push(root, 0);
    while (work.length && list.length < MOST) {
      let [one, depth] = work.pop(), label = one.name;
      // A directory of nothing but one directory shares its line.
      while (!one.row && one.parts.length) {
        const parts = one.parts.filter((part) => part.hits);
        if (parts.length !== 1 || !parts[0].parts.length) break;
        one = parts[0];
        label += `/${one.name}`;
      }
      list.push({ one, label, depth });
      if (one.open) push(one, depth + 1);
    }
  };

  // Only what is in sight is in the document.
  const tree = $("tree"), rows = $("rows");
  const height = () => parseFloat(getComputedStyle(tree).getPropertyValue("--row")) || 28;
  const bar = (one) => {
    const svg = draw("svg", { class: "bar", viewBox: "0 0 1000 6", preserveAspectRatio: "none", "aria-hidden": "true" });
    let x = 0;
    kinds.forEach((kind, k) => {
      const width = root.bytes ? (one.weights[k] / root.bytes) * 1000 : 0;
      if (width > 0) draw("rect", { x, width: Math.max(width, 8), height: 6, class: kind.color }, svg);
      x += width;
    });
    return svg;
  };
  const line = ({ one, label, depth }, i) => {
    const row = one.row, isDirectory = one.parts.length > 0;
    const element = make("div", "row");
    element.id = `r${i}`;
    element.dataset.i = i;
    element.style.setProperty("--d", depth);
    element.setAttribute("role", "treeitem");
    element.setAttribute("aria-level", depth + 1);
    if (isDirectory) {
      element.classList.add("dir");
      element.setAttribute("aria-expanded", one.open);
    }
    if (one === active) element.classList.add("active");
    const name = make("span", "name");
    name.title = `/${one.path}`;
    name.append(make("span", "fold", isDirectory ? (one.open ? "▾" : "▸") : ""));
    if (row && passes(one)) name.append(make("span", `badge ${kinds[row[KIND]].color}`, kinds[row[KIND]].letter));
    name.append(make("span", "label", (isDirectory && row ? " " : "") + label + (isDirectory && one !== root ? "/" : "")));
    const note = make("span", "note");
    if (isDirectory) {
      kinds.forEach((kind, k) => { if (one.counts[k]) note.append(make("b", kind.color, `${kind.letter} ${number(one.counts[k])}`)); });
    } else {
      note.textContent = row[NOTE];
      note.title = row[NOTE];
    }
    const bytes = data.delta ? (one.delta ? signed(one.delta) : one.bytes ? "±0 B" : "") : one.bytes ? human(one.bytes, " ") : "";
    const bars = make("span", "bars");
    if (one.bytes) bars.append(bar(one));
    const by = row ? layersOf(row).map(layerName).join(", ") : "";
    element.append(name, note, make("span", "delta", bytes), bars, make("span", "by", by));
    return element;
  };
  const paint = () => {
    const high = height(), first = Math.max(0, Math.floor(tree.scrollTop / high) - 10);
    const last = Math.min(list.length, first + Math.ceil(tree.clientHeight / high) + 20);
    rows.style.height = `${list.length * high}px`;
    rows.style.paddingTop = `${first * high}px`;
    rows.replaceChildren(...list.slice(first, last).map((item, i) => line(item, first + i)));
    const at = list.findIndex((item) => item.one === active);
    if (at >= first && at < last) tree.setAttribute("aria-activedescendant", `r${at}`);
    else tree.removeAttribute("aria-activedescendant");
  };
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  };
  const show = (one) => {
    active = one;
    const at = list.findIndex((item) => item.one === one), high = height();
    if (at >= 0) {
      if (at * high < tree.scrollTop) tree.scrollTop = at * high;
      else if ((at + 1) * high > tree.scrollTop + tree.clientHeight) tree.scrollTop = (at + 1) * high - tree.clientHeight;
    }
    paint();
  };
  const refresh = () => { flatten(); paint(); };
  const fold = (one, open) => { one.open = open; refresh(); };
  const foldAll = (open) => { for (const one of all) one.open = open; refresh(); };
  const reveal = (one) => {
    for (let above = one.parent; above; above = above.parent) above.open = true;
    flatten();
    paint();
    show(one);
  };

  // Details of a path.
  const exact = (bytes) => (bytes < 1000 ? `${bytes} bytes` : `${human(bytes, " ")} (${number(bytes)} bytes)`);
  const command = (id) => {
    const at = $(id), step = at && at.closest(".step, .layer"), code = step && step.querySelector("code");
    return code ? code.textContent : "";
  };
  const pick = (one) => {
    panel.hidden = !one;
    if (!one) return;
    const row = one.row, pairs = [];
    $("name").textContent = `/${one.path}`;
    if (row) {
      pairs.push(["change", kinds[row[KIND]].label]);
      const side = (attributes, size) => data.attributes[attributes] + (size ? `\n${exact(size)}` : "");
      if (row[WAS] >= 0) pairs.push(["old", side(row[WAS], row[WAS_SIZE])]);
      if (row[IS] >= 0) pairs.push(["new", side(row[IS], row[IS_SIZE])]);
      if (!data.delta) pairs.push(["wasted", exact(row[BYTES])]);
      if (row[NOTE]) pairs.push(["differences", row[NOTE].split(", ").join("\n")]);
      for (const at of layersOf(row)) pairs.push([layerName(at), command(data.layers[at][0]) || "no command is known"]);
    }
    if (one.parts.length) pairs.push(["below it", `${number(one.hits)} paths, ${human(one.bytes, " ")}`]);
    describe($("details"), pairs);
    const more = $("more");
    more.replaceChildren();
    for (const at of row ? layersOf(row) : []) {
      const only = make("button", layer === at ? "on" : "", `all of ${layerName(at)}`);
      only.addEventListener("click", () => choose(layer === at ? -1 : at));
      more.append(only);
    }
    const text = row && row[TEXT] ? $(`t${row[TEXT]}`) : null;
    if (text) {
      const link = make("a", "", "text differences");
      link.href = `#t${row[TEXT]}`;
      link.addEventListener("click", () => { text.open = true; pick(null); });
      more.append(link);
    }
    panel.scrollTop = 0;
    if (location.hash !== `#/${one.path}`) history.replaceState(null, "", `#/${encodeURI(one.path)}`);
  };

  // Treemap.
  let grouped = false, mapped = 0;
  const groups = () => {
    const top = { name: "", path: "", bytes: 0, parts: [] };
    data.layers.forEach(([, name], at) => {
      const copy = (one, name) => ({ name, path: one.path, row: one.row, of: one, bytes: 0, hits: 0, parts: [], weights: kinds.map(() => 0) });
      const first = copy(root, name), own = new Map([[root, first]]);
      for (const one of all) {
        if (!one.row || !one.row[BYTES] || !passes(one) || !layersOf(one.row).includes(at)) continue;
        for (let above = one; above; above = above.parent) {
          if (!own.has(above)) own.set(above, copy(above, above.name));
          const mine = own.get(above);
          mine.bytes += one.row[BYTES];
          mine.hits++;
          mine.weights[one.row[KIND]] += one.row[BYTES];
        }
      }
      for (const [one, mine] of own) if (one.parent) own.get(one.parent).parts.push(mine);
      if (first.bytes) { top.parts.push(first); top.bytes += first.bytes; }
    });
    return top;
  };
  const map = () => {
    const box = $("tiles"), width = Math.max(280, box.clientWidth - 2);
    if (width === mapped) return;
    mapped = width;
    const say = (text) => { $("tile").textContent = text; };
    const top = grouped ? groups() : root;
    const label = (one) => {
      if (one.rest) return `/${one.path}: ${number(one.rest)} small parts, ${human(one.bytes, " ")}`;
      const row = one.row;
      if (!row || one.parts.length) return `/${one.path}: ${human(one.bytes, " ")} in ${number(one.hits)} paths`;
      return `/${one.path}: ${kinds[row[KIND]].label}, ${human(one.bytes, " ")}, ${layersOf(row).map(layerName).join(", ")}`;
    };
    say(top.bytes ? `${human(top.bytes, " ")} of files, each with the larger of its two sizes. Choose a tile for its details.` : "No bytes of files are among these changes.");
    if (!data.delta && top.bytes) say(`${human(top.bytes, " ")} wasted. Choose a tile for its details.`);
    box.hidden = !top.bytes;
    box.replaceChildren(treemap(top, {
      width, height: width < 600 ? width : Math.round(Math.min(440, width * 0.4)), say, tell: label, gap: " ",
      paint: (one) => {
        const weights = one.weights || kinds.map(() => 0);
        return { class: kinds[weights.indexOf(Math.max(...weights))].color };
      },
      pick: (one) => {
        const real = one.of || one;
        const found = known.get(real.path) === undefined || real.rest ? known.get(real.path) : real;
        if (!found || found === root) return;
        reveal(found);
        pick(found);
      },
    }));
  };

  // One change of the filter.
  let later = 0;
  const filter = () => {
    tally();
    refresh();
    tree.scrollTop = 0;
    paint();
    const found = root.hits === data.rows.length ? `${number(root.hits)} paths` : `${number(root.hits)} of ${number(data.rows.length)} paths`;
    $("count").textContent = found;
    clearTimeout(later);
    later = setTimeout(() => { mapped = 0; map(); }, wanted === "" ? 0 : 150);
  };
  const choose = (at) => {
    layer = at;
    for (const one of document.querySelectorAll(".layer[data-by]")) one.classList.toggle("on", at >= 0 && one.dataset.by === data.layers[at][0]);
    $("layer").hidden = at < 0;
    if (at >= 0) $("layer").textContent = `only ${layerName(at)} ×`;
    filter();
  };
  const saved = [];
  query.addEventListener("input", () => {
    const before = wanted;
    wanted = query.value.trim().toLowerCase();
    const others = search(wanted);
    if (source) {
      // What is found is unfolded, and folded again afterwards.
      if (before === "" && wanted !== "") { saved.length = 0; for (const one of all) if (one.open) saved.push(one); }
      for (const one of all) one.open = wanted !== "";
      if (wanted === "") for (const one of saved) one.open = true;
      filter();
    }
    $("hits").value = wanted === "" ? "" : `${number(root.hits)} paths, ${number(others)} others`;
  });
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    if (source && root.hits) { tree.scrollIntoView({ block: "nearest" }); tree.focus(); step(0); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && document.activeElement !== query) { event.preventDefault(); query.focus(); query.select(); }
    if (event.key !== "Escape") return;
    if (!panel.hidden) pick(null);
    else if (query.value) { query.value = ""; query.dispatchEvent(new Event("input")); }
  });
  $("close").addEventListener("click", () => pick(null));
  if (!source) return;

  for (const [k, kind] of kinds.entries()) {
    if (!kind.count) continue;
    const chip = make("button", `chip on ${kind.color}`);
    chip.setAttribute("aria-pressed", "true");
    chip.append(make("b", "", kind.letter), `${number(kind.count)} ${kind.label}`);
    chip.addEventListener("click", () => {
      kinds[k].on = !kinds[k].on;
      chip.classList.toggle("on", kinds[k].on);
      chip.setAttribute("aria-pressed", kinds[k].on);
      filter();
    });
    $("kinds").append(chip);
  }
  const legend = make("span", "legend");
  for (const kind of kinds) if (kind.count) legend.append(make("i", kind.color), kind.label);
  $("by-layer").after(legend);
  $("layer").addEventListener("click", () => choose(-1));
  for (const one of document.querySelectorAll(".layer[data-by]")) {
    const at = data.layers.findIndex(([id]) => id === one.dataset.by);
    one.disabled = at < 0;
    if (at >= 0) one.addEventListener("click", () => { choose(layer === at ? -1 : at); $("files").scrollIntoView({ block: "start" }); });
  }
  const order = (size) => {
    bySize = size;
    $("by-path").classList.toggle("on", !size);
    $("by-size").classList.toggle("on", size);
    refresh();
  };
  $("by-path").addEventListener("click", () => order(false));
  $("by-size").addEventListener("click", () => order(true));
  $("unfold").addEventListener("click", () => foldAll(true));
  $("fold").addEventListener("click", () => foldAll(false));
  const group = (layers) => {
    grouped = layers;
    $("by-directory").classList.toggle("on", !layers);
    $("by-layer").classList.toggle("on", layers);
    mapped = 0;
    map();
  };
  $("by-directory").addEventListener("click", () => group(false));
  $("by-layer").addEventListener("click", () => group(true));

  tree.addEventListener("scroll", soon, { passive: true });
  tree.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    const { one } = list[Number(row.dataset.i)];
    active = one;
    if (one.parts.length && !event.target.closest(".badge")) fold(one, !one.open);
    else { paint(); pick(one); }
  });
  const step = (by) => {
    if (!list.length) return;
    const at = list.findIndex((item) => item.one === active);
    show(list[at < 0 ? 0 : Math.min(list.length - 1, Math.max(0, at + by))].one);
  };
  tree.addEventListener("keydown", (event) => {
    const at = list.findIndex((item) => item.one === active), one = at < 0 ? null : list[at].one;
    const some = Math.max(1, Math.floor(tree.clientHeight / height()) - 1);
    const moves = { ArrowUp: -1, ArrowDown: at < 0 ? 0 : 1, PageUp: -some, PageDown: some, Home: -list.length, End: list.length };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) step(moves[event.key]);
    else if (event.key === "ArrowRight" && one && one.parts.length) { if (one.open) step(1); else fold(one, true); }
    else if (event.key === "ArrowLeft" && one) {
      if (one.open && one.parts.length) fold(one, false);
      else {
        let above = one.parent;
        while (above && !list.some((item) => item.one === above)) above = above.parent;
        if (above) show(above);
      }
    } else if (event.key === "Enter" && one) pick(one);
    else if (event.key === " " && one && one.parts.length) fold(one, !one.open);
    else if (event.key === "*") foldAll(true);
    else return;
    event.preventDefault();
    if (!panel.hidden && event.key in moves) pick(active);
  });
  let before = [window.innerWidth, window.innerHeight];
  window.addEventListener("resize", () => {
    if (before[0] === window.innerWidth && before[1] === window.innerHeight) return;
    before = [window.innerWidth, window.innerHeight];
    paint();
    map();
  });
  // On paper there is no scrolling: what is unfolded, up to a number of lines.
  const PAPER = 3000;
  window.addEventListener("beforeprint", () => {
    rows.style.height = "auto";
    rows.style.paddingTop = "0";
    rows.replaceChildren(...list.slice(0, PAPER).map(line));
    if (list.length > PAPER) rows.append(make("p", "none", `and ${number(list.length - PAPER)} more lines`));
    for (const run of runs) run.open = true;
  });
  window.addEventListener("afterprint", paint);

  // The largest directories are unfolded as long as that makes few lines.
  tally();
  const FEW = 40;
  let lines = root.parts.length;
  const open = [...root.parts];
  while (open.length) {
    open.sort((a, b) => a.hits - b.hits || a.bytes - b.bytes);
    const one = open.shift();
    if (!one.parts.length) continue;
    if (lines + one.parts.length > FEW) continue;
    lines += one.parts.length;
    one.open = true;
    open.push(...one.parts);
    if (open.length > 2000) break;
  }
  order(bySize);
  filter();
  if (location.hash.startsWith("#/")) {
    let path = location.hash.slice(2);
    try { path = decodeURI(path); } catch { /* a link that somebody cut */ }
    const linked = known.get(path);
    if (linked) { reveal(linked); pick(linked); $("files").scrollIntoView(); }
  }
})();
