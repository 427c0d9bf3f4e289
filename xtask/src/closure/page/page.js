"use strict";
// Each row: store path, own bytes, bytes that would go with it, who keeps it, who refers to it on the shortest way.
const paths = JSON.parse(document.getElementById("data").textContent)
  .map(([path, size, retained, dominator, parent]) =>
    ({ path, name: path.slice(path.indexOf("-") + 1), size, retained, dominator, parent, children: [] }));
paths.forEach((it, n) => { it.index = n; if (it.dominator !== null) paths[it.dominator].children.push(it); });
paths.forEach(it => it.children.sort((a, b) => b.retained - a.retained));
const el = id => document.getElementById(id);
let top_ = paths[0];

function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < 4) { n /= 1000; unit++; }
  return `${unit && n < 10 ? n.toFixed(1) : Math.floor(n)} ${units[unit]}`;
}

// One colour for each package, whatever its version.
function colour(name) {
  let hash = 0;
  for (const letter of name.replace(/-[0-9].*/, "")) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return `hsl(${hash % 360} ${45 + hash % 25}% ${68 + (hash >>> 9) % 14}%)`;
}

// Squarified: rows of boxes, each as near to a square as can be (Bruls, Huizing, van Wijk).
function squarify(items, box, place) {
  let { x, y, w, h } = box;
  let left = items.reduce((sum, it) => sum + it.area, 0);
  let at = 0;
  while (at < items.length && left > 0) {
    const side = Math.min(w, h), scale = w * h / left;
    let sum = 0, worst = Infinity, end = at;
    while (end < items.length) {
      const area = items[end].area * scale, total = sum + area, thick = total / side;
      const first = items[at].area * scale / thick, last = area / thick;
      const ratio = Math.max(first / thick, thick / first, last / thick, thick / last);
      if (end > at && ratio > worst) break;
      worst = ratio; sum = total; end++;
    }
    const thick = sum / side;
    let along = 0;
    for (const it of items.slice(at, end)) {
      const long = it.area * scale / thick;
      place(it.node, w >= h ? { x, y: y + along, w: thick, h: long } : { x: x + along, y, w: long, h: thick });
      along += long; left -= it.area;
    }
    if (w >= h) { x += thick; w -= thick; } else { y += thick; h -= thick; }
    at = end;
  }
}

function way(it) {
  const res = [];
  for (let at = it; at; at = at.parent === null ? null : paths[at.parent]) res.unshift(at);
  return res;
}

function describe(it) {
  const line = (kind, text) => Object.assign(document.createElement("div"), { className: kind, textContent: text });
  el("detail").replaceChildren(
    line("", `${it.name}: adds ${bytes(it.retained)}, its own are ${bytes(it.size)}`),
    line("dim", it.path),
    line("dim", `there by way of ${way(it).map(it => it.name).join(" → ")}`));
}

function draw() {
  const map = el("map"), all = [];
  const put = (node, box, depth) => {
    if (box.w < 3 || box.h < 3) return;
    const button = document.createElement("button");
    button.style.cssText = `left:${box.x}px;top:${box.y}px;width:${box.w}px;height:${box.h}px;background:${colour(node.name)}`;
    if (box.w > 34 && box.h > 15) button.append(Object.assign(document.createElement("span"), { textContent: `${node.name} ${bytes(node.retained)}` }));
    button.title = `${node.name}: adds ${bytes(node.retained)}`;
    button.setAttribute("aria-label", button.title);
    button.dataset.index = node.index;
    all.push(button);
    if (depth < 4 && node.children.length && box.w > 40 && box.h > 40) inside(node, box, depth);
  };
  const inside = (node, box, depth) => {
    const own = { area: node.size, node: null };
    const items = [...node.children.map(it => ({ area: it.retained, node: it })), own]
      .filter(it => it.area > 0).sort((a, b) => b.area - a.area);
    squarify(items, { x: box.x + 2, y: box.y + 17, w: box.w - 5, h: box.h - 20 }, (child, at) => child && put(child, at, depth + 1));
  };
  put(top_, { x: 0, y: 0, w: map.clientWidth, h: map.clientHeight }, 0);
  map.replaceChildren(...all);
  const crumbs = [];
  for (let at = top_; at; at = at.dominator === null ? null : paths[at.dominator]) {
    const button = Object.assign(document.createElement("button"), { textContent: at.name });
    const target = at;
    button.onclick = () => zoom(target);
    crumbs.unshift(button);
    if (at.dominator !== null) crumbs.unshift(Object.assign(document.createElement("span"), { textContent: " › " }));
  }
  el("way").replaceChildren(...crumbs);
  mark();
}

function zoom(it) {
  top_ = it.children.length ? it : paths[it.dominator ?? 0];
  describe(it);
  draw();
}

function mark() {
  const text = el("find").value.trim().toLowerCase();
  const hit = it => text && it.name.toLowerCase().includes(text);
  for (const button of el("map").children) {
    const it = paths[button.dataset.index];
    button.classList.toggle("found", Boolean(hit(it)));
    button.classList.toggle("faint", Boolean(text) && !hit(it) && !it.children.length);
  }
  for (const row of el("rows").children) row.hidden = Boolean(text) && !hit(paths[row.dataset.index]);
}

el("title").textContent = paths[0].name;
document.title = `${paths[0].name}: ${bytes(paths[0].retained)}`;
el("sum").textContent = `${bytes(paths[0].retained)} in ${paths.length} paths. A box is as large as what would go with it; choose one to look into it, Escape goes back.`;
el("rows").append(...[...paths].sort((a, b) => b.retained - a.retained).map(it => {
  const row = document.createElement("tr");
  row.dataset.index = it.index;
  row.append(...[bytes(it.retained), bytes(it.size), it.path].map(text => Object.assign(document.createElement("td"), { textContent: text })));
  return row;
}));
const at = event => { const button = event.target.closest("button[data-index]"); return button && paths[button.dataset.index]; };
el("map").addEventListener("click", event => { const it = at(event); if (it) zoom(it); });
for (const kind of ["mouseover", "focusin"]) el("map").addEventListener(kind, event => { const it = at(event); if (it) describe(it); });
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && event.target !== el("find") && top_.dominator !== null) zoom(paths[top_.dominator]);
});
el("find").addEventListener("input", mark);
addEventListener("resize", draw);
describe(paths[0]);
draw();
