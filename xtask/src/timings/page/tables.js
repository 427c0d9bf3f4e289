// What the page says in words and tables.

/** An element with attributes and children; text is never read as HTML. */
function make(tag, attributes = {}, ...children) {
  const res = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") res.addEventListener("click", value);
    else if (name === "style") Object.assign(res.style, value);
    else if (value !== undefined && value !== false) res.setAttribute(name, value === true ? "" : value);
  }
  res.append(...children.filter((it) => it !== null && it !== undefined));
  return res;
}

function byId(id) { return document.getElementById(id); }
function colour(name) { return `var(--${name})`; }

const SHARES = [
  ["building", "build", "building"], ["transferring", "download", "transferring, nothing built"],
  ["evaluating", "evaluating", "evaluating"], ["waiting", "waiting", "waiting for others"],
  ["asking", "asking", "asking caches"], ["other", "other", "anything else"],
];
const STATES = { built: "built", failed: "failed", stopped: "stopped", downloaded: "downloaded", "not-built": "not built", present: "was there" };
const STATE_COLOURS = { built: "build", failed: "failed", stopped: "stopped", downloaded: "download", "not-built": "other", present: "other" };

function when(seconds) { return new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }); }
function where(it) { return it.host || (it.state === "built" || it.state === "failed" || it.state === "stopped" ? "this machine" : ""); }

function header(data) {
  document.title = `${data.target}: timings`;
  byId("target").textContent = data.target;
  const fact = (text, kind) => make("li", { class: kind }, text);
  byId("facts").append(
    fact(data.ok ? "went well" : "failed", data.ok ? "good" : "bad"), fact(duration(data.seconds)), fact(when(data.started)),
    fact(data.system), ...(data.nix ? [fact(data.nix)] : []), ...(data.cores ? [fact(count(data.cores, "core"))] : []),
  );
}

function verdict(data) {
  const best = data.critical.lead + data.critical.seconds;
  const res = [`It took ${duration(data.seconds)}`];
  if (data.previous) {
    const change = data.seconds - data.previous.seconds;
    res.push(Math.abs(change) < 0.05 ? ", as the run before" : `, ${duration(Math.abs(change))} ${change > 0 ? "longer" : "less"} than the run before`);
  }
  res.push(". ");
  if (data.critical.steps.length) {
    res.push(`With a core for everything it could have been ${duration(best)}: ${duration(data.critical.lead)} before the first step, then a chain of ${count(data.critical.steps.length, "step")}. `);
  } else if (!data.counts.built && !data.counts.downloaded) {
    res.push("Everything was there already. ");
  }
  const load = averageLoad(data.load);
  if (load !== null && data.cores) res.push(`On average ${load.toFixed(1)} of ${count(data.cores, "core")} were busy.`);
  return res.join("");
}

function summary(data) {
  byId("verdict").textContent = verdict(data);
  const shares = SHARES.filter(([key]) => data.time[key] >= 0.005);
  byId("shares").append(...shares.map(([key, tint, text]) =>
    make("span", { style: { flexGrow: data.time[key], background: colour(tint) }, title: `${text}: ${duration(data.time[key])}` })));
  byId("shares").setAttribute("aria-label", shares.map(([key, , text]) => `${text} ${duration(data.time[key])}`).join(", "));
  byId("shares-legend").append(...shares.map(([key, tint, text]) =>
    make("li", {}, make("i", { style: { background: colour(tint) } }), `${text} `, make("b", {}, duration(data.time[key])))));
  const { counts, bytes } = data;
  const trouble = [counts.failed && `${counts.failed} failed`, counts.stopped && `${counts.stopped} stopped`, counts.not_built && `${counts.not_built} not built`].filter(Boolean).join(", ");
  const tiles = [
    ["Built", counts.built, trouble || count(counts.built, "derivation")],
    ["Downloaded", counts.downloaded, counts.downloaded ? size(bytes.downloaded) : "from caches"],
    ["Copied", counts.copied, `${counts.copied ? `${size(bytes.copied)} ` : ""}to and from builders`],
    ...(counts.uploaded ? [["Uploaded", counts.uploaded, size(bytes.uploaded)]] : []),
    ["Was there", counts.present, "needed, not made again"],
    ["Critical path", duration(data.critical.seconds), count(data.critical.steps.length, "step")],
  ];
  byId("tiles").append(...tiles.map(([name, value, more]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "number" ? value.toLocaleString("en") : value, make("small", {}, more)))));
}

/** `columns` are a title and a class; rows are lists of cells, each a text or an element. */
function table(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map(([title, kind]) => make("th", { scope: "col", class: kind }, title)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell, n) => make("td", { class: columns[n][1] }, cell))));
  return make("table", {}, make("caption", { class: "hidden" }, caption), make("thead", {}, head), make("tbody", {}, ...body));
}

function nameLink(derivation, node, go) {
  return make("button", { type: "button", class: "link", "data-node": node, onclick: () => go(node) }, derivation.name);
}

function meter(value, most, tint) {
  return make("i", { style: { width: `${Math.max(0.5, (value / (most || 1)) * 100)}%`, background: colour(tint) } });
}

function difference(change) {
  if (Math.abs(change) < 0.05) return make("span", { class: "soft" }, "±0");
  return make("span", { class: change > 0 ? "up" : "down" }, `${change > 0 ? "+" : ""}${duration(change)}`);
}

function criticalTable(data, go) {
  const { steps, lead, seconds } = data.critical;
  byId("critical").hidden = steps.length === 0;
  if (!steps.length) return;
  byId("critical-note").textContent = `The longest chain of builds and downloads that had to follow each other: ${duration(seconds)}, after ${duration(lead)} of evaluation and questions. `
    + "“Would gain” is by how much this bound shrinks if the step took no time; it is less than the step's own time where another chain then decides. "
    + "It is reckoned with the times as measured, and a core and a connection for everything; with fewer cores, the run itself may gain less.";
  const most = Math.max(...steps.map((it) => took(data.derivations[it])));
  byId("critical-table").append(table("The critical path, first step first",
    [["#", "number soft"], ["step", "name"], ["where", "wide"], ["took", "number"], ["", "meter"], ["would gain", "number"], ["waited before", "number wide"]],
    steps.map((node, n) => {
      const it = data.derivations[node];
      const waited = it.ready === undefined ? 0 : it.start - it.ready;
      return [String(n + 1), nameLink(it, node, go), where(it), duration(took(it)), meter(took(it), most, STATE_COLOURS[it.state]),
        it.gain >= 0.005 ? duration(it.gain) : "nothing", waited >= 0.05 ? duration(waited) : "–"];
    })));
}

function slowestTable(data, go) {
  const nodes = data.derivations.map((it, node) => node).filter((node) => ["built", "failed", "stopped"].includes(data.derivations[node].state))
    .sort((a, b) => took(data.derivations[b]) - took(data.derivations[a])).slice(0, 20);
  byId("slowest").hidden = nodes.length === 0;
  if (!nodes.length) return;
  const path = new Set(data.critical.steps);
  const most = took(data.derivations[nodes[0]]);
  byId("slowest-table").append(table("The slowest builds",
    [["build", "name"], ["where", "wide"], ["took", "number"], ["", "meter"], ["than before", "number"], ["slack", "number"]],
    nodes.map((node) => {
      const it = data.derivations[node];
      return [nameLink(it, node, go), where(it), duration(took(it)), meter(took(it), most, STATE_COLOURS[it.state]),
        it.before === undefined ? make("span", { class: "soft" }, "–") : difference(took(it) - it.before),
        path.has(node) ? "critical" : duration(it.slack)];
    })));
}

function sourcesTable(data) {
  const rows = sources(data);
  byId("sources").hidden = rows.length === 0;
  if (!rows.length) return;
  const ways = { download: "downloaded from", fetch: "copied from", send: "copied to", upload: "uploaded to" };
  byId("sources-table").append(table("What came from where, and went where",
    [["", ""], ["place", "name"], ["paths", "number"], ["size", "number"], ["on the network", "number wide"], ["busy for", "number"], ["per second", "number wide"]],
    rows.map((it) => [ways[it.way], it.place, it.paths.toLocaleString("en"), size(it.bytes),
      it.wire === null ? make("span", { class: "soft" }, "not told") : size(it.wire), duration(it.seconds),
      it.seconds > 0 ? size(Math.round(it.bytes / it.seconds)) : "–"])));
}

function beforeTable(data, go) {
  const { previous } = data;
  byId("before").hidden = !previous;
  if (!previous) return;
  byId("before-note").textContent = `The run of ${when(previous.started)} ${previous.ok ? "took" : "failed after"} ${duration(previous.seconds)} and built ${count(previous.counts.built, "derivation")}; `
    + `this one took ${duration(data.seconds)} and built ${data.counts.built.toLocaleString("en")}.`;
  const changed = changes(data).filter((it) => Math.abs(it.change) >= 0.05).slice(0, 20);
  const shares = SHARES.filter(([key]) => Math.max(data.time[key], previous.time[key]) >= 0.05).map(([key, , text]) =>
    [make("span", { class: "soft" }, text), duration(previous.time[key]), duration(data.time[key]), difference(data.time[key] - previous.time[key])]);
  const fresh = new Set(changes(data).map((it) => it.node));
  const only = data.derivations.map((it, node) => [it, node]).filter(([it, node]) => it.state === "built" && !fresh.has(node))
    .sort((a, b) => took(b[0]) - took(a[0])).slice(0, 5);
  byId("before-table").append(table("Compared with the run before",
    [["", "name"], ["before", "number"], ["now", "number"], ["change", "number"]],
    [...shares,
      ...changed.map((it) => [nameLink(data.derivations[it.node], it.node, go), duration(it.before), duration(it.now), difference(it.change)]),
      ...only.map(([it, node]) => [nameLink(it, node, go), make("span", { class: "soft" }, "not built"), duration(took(it)), difference(took(it))]),
      ...previous.gone.slice(0, 5).map(([name, seconds]) => [make("span", { class: "mono" }, name), duration(seconds), make("span", { class: "soft" }, "not built"), difference(-seconds)])]));
}

/** All derivations, by pages: what the timeline shows, for those who do not see it. */
function allTable(data, go) {
  const PAGE = 50;
  const columns = [
    ["derivation", "name", (it) => it.name], ["state", "", (it) => it.state], ["where", "wide", (it) => where(it)],
    ["began", "number", (it) => it.start], ["took", "number", (it) => (it.start === undefined ? undefined : took(it))],
    ["slack", "number wide", (it) => (it.start === undefined ? undefined : it.slack)],
  ];
  const path = new Set(data.critical.steps);
  let [page, sorted, down, query, current] = [0, 4, true, "", null];
  const compare = (a, b) => (a === undefined ? 1 : b === undefined ? -1 : (typeof a === "string" ? a.localeCompare(b) : a - b) * (down ? -1 : 1));
  function draw() {
    const fits = matcher(query);
    const value = columns[sorted][2];
    const nodes = data.derivations.map((it, node) => node).filter((it) => fits(data.derivations[it].name))
      .sort((a, b) => compare(value(data.derivations[a]), value(data.derivations[b])));
    const pages = Math.max(1, Math.ceil(nodes.length / PAGE));
    page = Math.min(page, pages - 1);
    const heads = columns.map(([title, kind], n) => make("th", { scope: "col", class: kind, "aria-sort": n === sorted ? (down ? "descending" : "ascending") : undefined },
      make("button", { type: "button", onclick: () => { down = n === sorted ? !down : n > 2; sorted = n; page = 0; draw(); } }, `${title}${n === sorted ? (down ? " ↓" : " ↑") : ""}`)));
    const rows = nodes.slice(page * PAGE, (page + 1) * PAGE).map((node) => {
      const it = data.derivations[node];
      const dash = (number) => (number === undefined ? "–" : duration(number));
      const cells = [nameLink(it, node, go), STATES[it.state], where(it), dash(columns[3][2](it)), dash(columns[4][2](it)), path.has(node) ? "critical" : dash(columns[5][2](it))];
      return make("tr", { "aria-current": node === current ? "true" : undefined }, ...cells.map((cell, n) => make("td", { class: columns[n][1] }, cell)));
    });
    byId("all-table").replaceChildren(make("table", {}, make("caption", { class: "hidden" }, "All derivations"), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
    const turn = (text, to, title) => make("button", { type: "button", title, "aria-label": title, disabled: to < 0 || to >= pages, onclick: () => { page = to; draw(); } }, text);
    byId("pager").replaceChildren(turn("‹", page - 1, "Page before"), `${page + 1} of ${pages}`, turn("›", page + 1, "Next page"));
  }
  draw();
  return { filter(text) { query = text; page = 0; draw(); }, mark(node) { current = node; draw(); } };
}
