// The selected derivation: what is known of it, and its neighbours in the graph.

const NEIGHBOURS = 8;

function pairs(list) {
  return list.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

/** Phases as a strip, each as wide as it was long. */
function phaseStrip(it) {
  const phases = (it.phases || []).map(([name, start], n, list) => ({ name, took: (n + 1 < list.length ? list[n + 1][1] : it.end) - start }));
  if (!phases.length) return [];
  const strip = make("div", { class: "phases", role: "img", "aria-label": phases.map((it) => `${it.name} ${duration(it.took)}`).join(", ") },
    ...phases.map((phase, n) => make("span", {
      title: `${phase.name}: ${duration(phase.took)}`,
      style: { flex: `${Math.max(phase.took, 0.001)} 1 0`, background: colour("build"), filter: `brightness(${n % 2 ? 0.8 : 1})` },
    }, `${phase.name} ${duration(phase.took)}`)));
  return [strip];
}

function detail(data, neighbours, bar, go) {
  const section = byId("detail");
  section.hidden = !bar;
  if (!bar) return;
  const it = bar.node === undefined ? null : data.derivations[bar.node];
  byId("detail-title").textContent = bar.name;
  byId("detail-facts").replaceChildren(...pairs(it && !(bar.transfer && it.state === "built") ? derivationFacts(data, it, bar.node) : barFacts(bar)));
  byId("detail-phases").replaceChildren(...(it ? phaseStrip(it) : []));
  byId("graph").replaceChildren();
  if (it) drawGraph(data, neighbours, bar.node, go);
}

function barFacts(bar) {
  const it = bar.transfer;
  return [
    ["Place", it ? it.place : null], ["Time", `${duration(bar.end - bar.start)}, from ${duration(bar.start)} to ${duration(bar.end)}`],
    ["Size", it ? size(it.bytes) : null], ["On the network", it && it.wire !== undefined ? size(it.wire) : null],
    ["Store path", it ? make("code", {}, `/nix/store/${it.path}`) : null],
  ];
}

function derivationFacts(data, it, node) {
  const critical = data.critical.steps.includes(node);
  const waited = it.ready === undefined || it.start === undefined ? 0 : it.start - it.ready;
  const copying = it.inner ? took(it) - (it.inner[1] - it.inner[0]) : 0;
  return [
    ["State", [STATES[it.state], where(it) && `${it.state === "downloaded" ? "from" : "on"} ${where(it)}`, it.system && `for ${it.system}`].filter(Boolean).join(" ")],
    ["Time", it.start === undefined ? null : `${duration(took(it))}, from ${duration(it.start)} to ${duration(it.end)}`],
    ["Copying", copying >= 0.05 ? `${duration(copying)} of it, to and from the builder` : null],
    ["Before", it.before === undefined ? null : make("span", {}, `${duration(it.before)} `, difference(took(it) - it.before))],
    ["Waited", waited >= 0.05 ? `${duration(waited)} for a free place, after all that it needs was there` : null],
    ["Critical path", it.start === undefined ? null : critical ? `on it; without it, ${it.gain >= 0.005 ? duration(it.gain) : "nothing"} would be gained` : `not on it; it may take ${duration(it.slack)} longer`],
    ["Derivation", make("code", {}, `/nix/store/${it.drv}`)],
  ];
}

/** Three columns: what it needs, itself, what needs it; the slowest first. */
function drawGraph(data, neighbours, node, go) {
  const inputs = data.derivations[node].inputs || [];
  const outputs = neighbours[node];
  if (!inputs.length && !outputs.length) return;
  const path = new Set(data.critical.steps);
  const by = (a, b) => took(data.derivations[b]) - took(data.derivations[a]) || data.derivations[a].name.localeCompare(data.derivations[b].name);
  const button = (it) => {
    const derivation = data.derivations[it];
    return make("button", {
      type: "button", "data-node": it, class: [it === node ? "self" : "", path.has(it) ? "on-path" : ""].join(" ").trim(),
      title: `${derivation.name}: ${STATES[derivation.state]}`, style: { borderLeftColor: colour(STATE_COLOURS[derivation.state]) }, onclick: () => go(it),
    }, make("span", {}, derivation.name), make("small", {}, derivation.start === undefined ? STATES[derivation.state] : duration(took(derivation))));
  };
  const column = (title, list) => {
    const some = [...list].sort(by).slice(0, NEIGHBOURS);
    const more = list.length - some.length;
    return make("div", {}, make("h3", {}, `${title} ${list.length || "nothing"}`), make("ul", {}, ...some.map((it) => make("li", {}, button(it)))), more ? make("p", { class: "note" }, `and ${more} more`) : null);
  };
  const own = make("div", {}, button(node));
  const graph = byId("graph");
  graph.append(column("Needs", inputs), own, column("Needed by", outputs));
  connect(graph, own.firstChild);
}

function connect(graph, own) {
  const around = graph.getBoundingClientRect();
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const at = (element, side) => { const it = element.getBoundingClientRect(); return [it[side] - around.left, it.top + it.height / 2 - around.top]; };
  graph.querySelectorAll("li button").forEach((it) => {
    const before = it.getBoundingClientRect().left < own.getBoundingClientRect().left;
    const [[x1, y1], [x2, y2]] = before ? [at(it, "right"), at(own, "left")] : [at(own, "right"), at(it, "left")];
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M${x1},${y1} C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`);
    path.setAttribute("fill", "none");
    const critical = it.classList.contains("on-path") && own.classList.contains("on-path");
    path.style.stroke = colour(critical ? "critical" : "soft");
    path.style.strokeWidth = critical ? 2 : 1;
    svg.append(path);
  });
  graph.prepend(svg);
}
