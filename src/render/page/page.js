"use strict";
const page = (() => {
  const $ = (id) => document.getElementById(id);
  const make = (name, kind, text) => {
    const one = document.createElement(name);
    if (kind) one.className = kind;
    if (text !== undefined) one.textContent = text;
    return one;
  };
  const draw = (name, attributes, parent) => {
    const one = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) one.setAttribute(key, attributes[key]);
    if (parent) parent.append(one);
    return one;
  };
  const human = (bytes, gap = "") => {
    const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit++; }
    return Number(bytes.toPrecision(3)) + gap + units[unit];
  };
  // Pairs of term and description, in an element dl.
  const describe = (list, pairs) => {
    list.replaceChildren();
    for (const [key, value] of pairs) list.append(make("dt", "", key), make("dd", "", value));
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
  // Treemap of a tree of {name, bytes, parts}, directories in directories. A tile gets what paint(node) says, tells
  // what tell(node) says, and hands its node to pick. Parts too small to be seen are one tile of their directory.
  const treemap = (root, { width, height, paint, tell, say, pick, gap = "" }) => {
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Treemap of files" });
    const write = (x, y, room, text) => {
      const columns = Math.floor((room - 8) / 6.2);
      draw("text", { x: x + 4, y }, svg).textContent = text.length > columns ? text.slice(0, Math.max(1, columns - 1)) + "…" : text;
    };
    const tile = (node, x, y, w, h, text) => {
      const one = draw("rect", { x, y, width: Math.max(w, 0), height: Math.max(h, 0), ...paint(node) }, svg);
      one.classList.add("tile");
      draw("title", {}, one).textContent = text;
      one.addEventListener("click", () => { say(text); if (pick) pick(node); });
      one.addEventListener("pointerenter", () => say(text));
      if (w > 60 && h > 18 && !node.rest) write(x, y + 13, w, node.name);
    };
    const work = [[root, 0, 0, width, height, 0]], frames = [];
    while (work.length) {
      const [node, x, y, w, h, depth] = work.pop();
      let parts = node.parts.filter((part) => part.bytes > 0).sort((a, b) => b.bytes - a.bytes);
      if (!parts.length || depth > 7 || w < 4 || h < 4) {
        tile(node, x, y, w, h, tell(node));
        continue;
      }
      const head = depth > 0 && depth < 5 && w > 46 && h > 30 ? 15 : 0;
      if (head) {
        draw("rect", { x, y, width: w, height: head, class: "head" }, svg);
        write(x, y + 11, w, `${node.name} ${human(node.bytes, gap)}`);
      }
      const least = (node.bytes * 9) / Math.max(w * (h - head), 1);
      const seen = parts.filter((part, i) => i === 0 || part.bytes >= least);
      if (seen.length < parts.length) {
        const bytes = parts.slice(seen.length).reduce((sum, part) => sum + part.bytes, 0);
        parts = [...seen, { ...node, bytes, parts: [], rest: parts.length - seen.length }];
        parts.sort((a, b) => b.bytes - a.bytes);
      }
      for (const [part, px, py, pw, ph] of squares(parts, x, y + head, w, h - head)) work.push([part, px, py, pw, ph, depth + 1]);
      if (depth > 0 && depth < 3) frames.push({ x, y, width: w, height: h, class: "group" });
    }
    for (const frame of frames) draw("rect", frame, svg);
    return svg;
  };
  return { $, make, draw, human, describe, treemap };
})();
