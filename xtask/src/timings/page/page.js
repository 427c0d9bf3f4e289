// Puts the page together, and listens.

function start() {
  const data = JSON.parse(byId("data").textContent);
  const neighbours = users(data);
  header(data);
  summary(data);

  const tip = byId("tip");
  const chart = createChart({
    canvas: byId("chart"), scroller: byId("scroller"), spacer: byId("spacer"), data,
    onHover(bar, x, y) {
      tip.hidden = !bar;
      if (!bar) return;
      tip.replaceChildren(make("b", {}, bar.name), make("span", {}, sentence(data, bar)));
      const room = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - room.width - 8))}px`;
      tip.style.top = `${y + 18 + room.height > innerHeight ? y - room.height - 10 : y + 18}px`;
    },
    onSelect(bar) {
      detail(data, neighbours, bar, go);
      all.mark(bar && bar.node !== undefined ? bar.node : null);
      byId("live").textContent = bar ? `${bar.name}: ${sentence(data, bar)}` : "";
    },
  });
  const go = (node) => { chart.selectNode(node); byId("detail").scrollIntoView({ block: "nearest" }); };
  const all = allTable(data, go);
  criticalTable(data, go);
  slowestTable(data, go);
  sourcesTable(data);
  beforeTable(data, go);
  legend(data, chart);
  tools(chart, all);
  keys(data, chart, neighbours);
  addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); chart.print(true); });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); chart.print(false); });
  // What tests, and who opens the console, may use.
  window.timings = { data, chart, all };
}

/** What the pointer, and a screen reader, are told of a bar. */
function sentence(data, bar) {
  const res = [`${duration(bar.end - bar.start)}, from ${duration(bar.start)}`];
  if (bar.absent) return STATES[data.derivations[bar.node].state];
  if (bar.transfer) {
    const ways = { download: "downloaded from", fetch: "copied from", send: "copied to", upload: "uploaded to" };
    res.push(`${size(bar.transfer.bytes)} ${ways[bar.transfer.way]} ${bar.transfer.place}`);
  } else if (bar.node !== undefined) {
    const it = data.derivations[bar.node];
    res.push(`${STATES[it.state]} on ${where(it)}`);
    if (data.critical.steps.includes(bar.node)) res.push(`on the critical path, would gain ${it.gain >= 0.005 ? duration(it.gain) : "nothing"}`);
    if (it.phases && it.phases.length) res.push(it.phases.map((phase) => phase[0]).join(" → "));
  }
  return res.join(" · ");
}

function legend(data, chart) {
  const texts = {
    evaluating: "evaluation", asking: "asking caches", waiting: "waiting", other: "other", build: "build", failed: "failed", stopped: "stopped",
    download: "download", fetch: "from a builder", send: "to a builder", upload: "upload",
  };
  const there = new Set(chart.bars().map((it) => it.kind));
  const item = (style, text) => make("li", {}, make("i", { style }), text);
  byId("chart-legend").append(
    ...Object.entries(texts).filter(([kind]) => there.has(kind)).map(([kind, text]) => item({ background: colour(kind) }, text)),
    ...(data.critical.steps.length ? [item({ border: `2px solid ${colour("critical")}` }, "on the critical path")] : []),
    item({ borderTop: `2px solid ${colour("build")}`, borderRadius: 0, height: "6px" }, "builds at once"),
    ...(data.load.length > 1 ? [item({ background: colour("evaluating"), opacity: .4 }, "cores busy")] : []),
  );
}

function tools(chart, all) {
  const search = byId("search");
  let [found, at] = [[], -1];
  search.addEventListener("input", () => {
    found = chart.filter(search.value).sort((a, b) => a.start - b.start);
    at = -1;
    all.filter(search.value);
    byId("matches").textContent = search.value.trim() ? String(found.length) : "";
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found.length) {
      at = (at + (event.shiftKey ? found.length - 1 : 1)) % found.length;
      chart.select(found[at]);
    }
    if (event.key === "Escape") { search.value = ""; search.dispatchEvent(new Event("input")); byId("chart").focus(); }
  });
  byId("only-critical").addEventListener("change", (event) => { chart.select(null); chart.only(event.target.checked); });
  byId("zoom-in").addEventListener("click", () => chart.zoom(1.6));
  byId("zoom-out").addEventListener("click", () => chart.zoom(1 / 1.6));
  byId("fit").addEventListener("click", () => chart.fit());
  byId("detail-close").addEventListener("click", () => { chart.select(null); byId("chart").focus(); });
}

function keys(data, chart, neighbours) {
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== byId("search")) {
      event.preventDefault();
      byId("search").focus();
    }
  });
  byId("chart").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (by) => {
      const order = chart.bars().sort((a, b) => a.start - b.start || a.row - b.row);
      const at = order.indexOf(chart.selected());
      const next = order[at < 0 ? (by > 0 ? 0 : order.length - 1) : at + by];
      if (next) chart.select(next);
    };
    const walk = (nodes) => { const next = latest(data, nodes); if (next !== undefined) chart.selectNode(next); };
    const node = chart.selected() ? chart.selected().node : undefined;
    const actions = {
      "+": () => chart.zoom(1.6), "=": () => chart.zoom(1.6), "-": () => chart.zoom(1 / 1.6), 0: () => chart.fit(),
      ArrowRight: () => step(1), ArrowLeft: () => step(-1),
      ArrowUp: () => node !== undefined && walk(data.derivations[node].inputs || []),
      ArrowDown: () => node !== undefined && walk(neighbours[node]),
      Escape: () => chart.select(null),
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
}

start();
