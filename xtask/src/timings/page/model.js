// What is drawn, computed from the data: no function here touches the page.

/** Seconds as people read them: `0.42 s`, `4.2 s`, `42 s`, `3 min 05 s`, `1 h 05 min`. */
function duration(seconds) {
  const sign = seconds < 0 ? "−" : "";
  const s = Math.abs(seconds);
  const two = (n) => String(n).padStart(2, "0");
  if (s < 0.995) return `${sign}${s.toFixed(2)} s`;
  if (s < 9.95) return `${sign}${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${sign}${whole} s`;
  if (whole < 3600) return `${sign}${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(s / 60);
  return `${sign}${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** Bytes as people read them: `1.4 GB`. */
function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let n = bytes / 1000;
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) { n /= 1000; unit += 1; }
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

function count(n, noun) { return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`; }

/** How long a derivation took; 0 for what has not begun. */
function took(derivation) { return derivation.start === undefined ? 0 : derivation.end - derivation.start; }

const LANES = {
  nix: "Nix itself",
  here: "This machine",
};

/** Every bar of the timeline: builds, transfers, and what Nix itself was busy with. */
function bars(data) {
  const res = [];
  data.stretches.forEach((it) => {
    res.push({ kind: it.work, name: it.text, lane: LANES.nix, order: 0, start: it.start, end: it.end });
  });
  data.derivations.forEach((it, node) => {
    if (it.state !== "built" && it.state !== "failed" && it.state !== "stopped") return;
    const lane = it.host ? `Builder ${it.host}` : LANES.here;
    const kind = it.state === "built" ? "build" : it.state;
    res.push({ kind, name: it.name, lane, order: it.host ? 2 : 1, start: it.start, end: it.end, node });
  });
  data.transfers.forEach((it) => {
    const [lane, order] = {
      download: [`From ${it.place}`, 4],
      fetch: [`Copies, ${it.place}`, 3],
      send: [`Copies, ${it.place}`, 3],
      upload: [`To ${it.place}`, 5],
    }[it.way];
    const name = it.path.replace(/^[0-9a-z]{32}-/, "");
    res.push({ kind: it.way, name, lane, order, start: it.start, end: it.end, node: it.derivation, transfer: it });
  });
  return res;
}

/**
 * Bars in lanes, and in each as few rows as they need without covering each other. Each lane: `title`, `rows` (bars by
 * start), `top` (the number of rows and titles above it).
 */
function lanes(all) {
  const byTitle = new Map();
  for (const bar of all) {
    if (!byTitle.has(bar.lane)) byTitle.set(bar.lane, { title: bar.lane, order: bar.order, bars: [] });
    byTitle.get(bar.lane).bars.push(bar);
  }
  const res = [...byTitle.values()].sort((a, b) => a.order - b.order || a.title.localeCompare(b.title));
  let top = 0;
  for (const lane of res) {
    lane.bars.sort((a, b) => a.start - b.start || b.end - a.end);
    lane.rows = pack(lane.bars);
    lane.top = top;
    lane.rows.forEach((row, n) => row.forEach((bar) => { bar.row = top + 1 + n; }));
    top += lane.rows.length + 1;
  }
  return res;
}

/** The first row in which there is room; the bars come by their start. */
function pack(sorted) {
  const rows = [];
  const ends = [];
  for (const bar of sorted) {
    let row = ends.findIndex((end) => end <= bar.start);
    if (row < 0) { row = rows.length; rows.push([]); }
    rows[row].push(bar);
    ends[row] = bar.end;
  }
  return rows;
}

/** How many builds ran, as steps: pairs of a time and the number from then on. */
function concurrency(data) {
  const edges = [];
  for (const it of data.derivations) {
    if (it.state === "built" || it.state === "failed" || it.state === "stopped") edges.push([it.start, 1], [it.end, -1]);
  }
  edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const res = [[0, 0]];
  let running = 0;
  for (const [at, change] of edges) {
    running += change;
    if (res[res.length - 1][0] === at) res[res.length - 1][1] = running; else res.push([at, running]);
  }
  return res;
}

/** Cores busy on average, by the time that each sample stands for. */
function averageLoad(load) {
  let area = 0;
  for (let n = 1; n < load.length; n += 1) area += load[n][1] * (load[n][0] - load[n - 1][0]);
  const time = load.length > 1 ? load[load.length - 1][0] - load[0][0] : 0;
  return time > 0 ? area / time : null;
}

/** Who needs whom, the other way round. */
function users(data) {
  const res = data.derivations.map(() => []);
  data.derivations.forEach((it, node) => (it.inputs || []).forEach((input) => res[input].push(node)));
  return res;
}

/** A test of names: all words of the query must be in it. */
function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return (name) => { const text = name.toLowerCase(); return words.every((it) => text.includes(it)); };
}

/** Of some nodes, the one that ended last. */
function latest(data, nodes) {
  return nodes.filter((it) => data.derivations[it].end !== undefined)
    .sort((a, b) => data.derivations[b].end - data.derivations[a].end)[0];
}

/** Where paths came from and went to: one row for each place and way. */
function sources(data) {
  const res = new Map();
  for (const it of data.transfers) {
    const key = `${it.way} ${it.place}`;
    if (!res.has(key)) res.set(key, { way: it.way, place: it.place, paths: 0, bytes: 0, wire: null, spans: [] });
    const row = res.get(key);
    row.paths += 1;
    row.bytes += it.bytes;
    if (it.wire !== undefined) row.wire = (row.wire || 0) + it.wire;
    row.spans.push([it.start, it.end]);
  }
  for (const row of res.values()) row.seconds = covered(row.spans);
  return [...res.values()].sort((a, b) => b.bytes - a.bytes);
}

/** The time in which at least one of the spans was. */
function covered(spans) {
  let sum = 0;
  let until = -Infinity;
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (end > until) { sum += end - Math.max(start, until); until = end; }
  }
  return sum;
}

/** How much longer what was built in both runs took this time, the largest change first. */
function changes(data) {
  const res = [];
  data.derivations.forEach((it, node) => {
    if (it.before !== undefined) res.push({ node, before: it.before, now: took(it), change: took(it) - it.before });
  });
  return res.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
}

/** Round numbers for an axis from `from` to `to`, about `wanted` of them. */
function ticks(from, to, wanted) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = steps.find((it) => (to - from) / it <= wanted) || 86400;
  const res = [];
  for (let n = Math.ceil(from / step - 1e-9); n * step <= to + 1e-9; n += 1) res.push(n * step);
  return { step, at: res };
}

/** The label of a tick: `4.2`, `42 s`, `3:05`, `1:05:00`. */
function tickLabel(at, step) {
  const two = (n) => String(n).padStart(2, "0");
  if (at < 60 || step < 1) return `${step < 0.1 ? at.toFixed(2) : step < 1 ? at.toFixed(1) : Math.round(at)} s`;
  const whole = Math.round(at);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
