// The timeline: a canvas that draws only what is in view, so that 5,000 bars stay smooth.

const ROW = 22;
const AXIS = 26;
const STRIP = 46;
const PAD = 12;
const PHASES = ["#ffffff66", "#00000038"];

function createChart({ canvas, scroller, spacer, data, onSelect, onHover }) {
  const context = canvas.getContext("2d");
  const all = bars(data);
  const critical = new Set(data.critical.steps);
  const steps = concurrency(data);
  const total = Math.max(data.seconds, ...all.map((it) => it.end), 0.001);
  const most = Math.max(1, data.cores, ...steps.map((it) => it[1]), ...data.load.map((it) => it[1]));
  let shown = lanes(all);
  let own = standing();
  let view = { from: 0, to: total };
  let selected = null;
  let matches = () => true;
  let filtered = false;
  let colours = {};
  let width = 0;
  let height = 0;
  let scheduled = false;
  let paper = false;

  const rows = () => shown.reduce((sum, it) => sum + it.rows.length + 1, 0);
  const head = () => AXIS + STRIP;
  const x = (time) => PAD + ((time - view.from) / (view.to - view.from)) * (width - 2 * PAD);
  const timeAt = (px) => view.from + ((px - PAD) / (width - 2 * PAD)) * (view.to - view.from);
  const rowY = (row) => head() + row * ROW - (paper ? 0 : scroller.scrollTop);

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["panel", "text", "soft", "line", "build", "failed", "stopped", "download", "fetch", "send", "upload",
      "evaluating", "asking", "waiting", "other", "critical", "on-bar", "dim"];
    colours = Object.fromEntries(names.map((it) => [it, style.getPropertyValue(`--${it}`).trim()]));
    colours.font = getComputedStyle(document.body).fontFamily;
  }

  function resize() {
    const content = head() + rows() * ROW + 6;
    spacer.style.height = "0px";
    const limit = paper ? Math.min(content, 940) : Math.min(content, Math.max(220, Math.min(innerHeight * 0.62, 640)));
    // A sheet of A4 is about so wide between its margins.
    width = paper ? 720 : scroller.clientWidth;
    height = Math.round(limit);
    scroller.style.height = `${height + 2}px`;
    spacer.style.height = `${Math.max(0, content - height)}px`;
    const ratio = paper ? 2 : window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    readColours();
    draw();
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; draw(); });
  }

  function draw() {
    context.clearRect(0, 0, width, height);
    context.textBaseline = "middle";
    drawGrid();
    const first = paper ? 0 : scroller.scrollTop / ROW;
    const last = first + (height - head()) / ROW;
    context.save();
    context.beginPath();
    context.rect(0, head(), width, height - head());
    context.clip();
    const inView = shown.filter((it) => it.top <= last && it.top + it.rows.length + 1 >= first);
    inView.forEach(drawEdge);
    drawLinks();
    for (const lane of inView) {
      lane.rows.forEach((row, n) => {
        const at = lane.top + 1 + n;
        if (at >= first - 1 && at <= last) drawRow(row);
      });
    }
    inView.forEach(drawTitle);
    context.restore();
    drawStrip();
  }

  function drawGrid() {
    const { at, step } = ticks(view.from, view.to, Math.max(2, width / 110));
    context.font = `11px ${colours.font}`;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    for (const tick of at) {
      const px = Math.round(x(tick)) + 0.5;
      context.beginPath();
      context.moveTo(px, AXIS - 6);
      context.lineTo(px, height);
      context.stroke();
      context.fillStyle = colours.soft;
      const label = tickLabel(tick, step);
      const left = Math.min(Math.max(px - context.measureText(label).width / 2, 2), width - context.measureText(label).width - 2);
      context.fillText(label, left, 11);
    }
  }

  /** Builds at once as a line, busy cores as an area, both to the same scale. */
  function drawStrip() {
    const bottom = AXIS + STRIP - 8;
    const y = (n) => bottom - (n / most) * (STRIP - 16);
    const area = (points, stepped) => {
      context.beginPath();
      context.moveTo(x(points.length ? points[0][0] : 0), bottom);
      let last = bottom;
      for (const [time, value] of points) {
        if (stepped) context.lineTo(x(time), last);
        last = y(value);
        context.lineTo(x(time), last);
      }
      context.lineTo(x(points.length ? points[points.length - 1][0] : 0), bottom);
    };
    context.save();
    context.beginPath();
    context.rect(0, AXIS - 2, width, STRIP);
    context.clip();
    if (data.load.length > 1) {
      area(data.load, false);
      context.globalAlpha = 0.28;
      context.fillStyle = colours.evaluating;
      context.fill();
      context.globalAlpha = 1;
    }
    area([...steps, [total, 0]], true);
    context.strokeStyle = colours.build;
    context.lineWidth = 1.5;
    context.stroke();
    if (data.cores) {
      context.setLineDash([2, 3]);
      context.strokeStyle = colours.soft;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(0, Math.round(y(data.cores)) + 0.5);
      context.lineTo(width, Math.round(y(data.cores)) + 0.5);
      context.stroke();
      context.setLineDash([]);
      const text = count(data.cores, "core");
      context.font = `10px ${colours.font}`;
      context.fillStyle = colours.soft;
      context.fillText(text, width - context.measureText(text).width - 4, y(data.cores) + 7);
    }
    context.restore();
    context.strokeStyle = colours.line;
    context.beginPath();
    context.moveTo(0, head() - 0.5);
    context.lineTo(width, head() - 0.5);
    context.stroke();
  }

  function drawEdge(lane) {
    if (lane.top === 0) return;
    const y = Math.round(rowY(lane.top)) + 0.5;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.stroke();
  }

  function drawTitle(lane) {
    const y = rowY(lane.top);
    context.font = `600 12px ${colours.font}`;
    context.fillStyle = colours.panel;
    context.fillRect(PAD - 4, y + 3, context.measureText(lane.title).width + 8, ROW - 5);
    context.fillStyle = colours.text;
    context.fillText(lane.title, PAD, y + ROW / 2 + 1);
  }

  function drawRow(row) {
    for (let n = firstVisible(row); n < row.length && row[n].start <= view.to; n += 1) drawBar(row[n]);
  }

  /** The bars of a row do not overlap, so their ends are sorted too. */
  function firstVisible(row) {
    let [low, high] = [0, row.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (row[middle].end < view.from) low = middle + 1; else high = middle;
    }
    return low;
  }

  function box(bar) {
    const left = Math.max(x(bar.start), -4);
    const right = Math.min(x(bar.end), width + 4);
    return { left, top: rowY(bar.row) + 2, width: Math.max(right - left, 1.5), height: ROW - 4 };
  }

  function drawBar(bar) {
    const it = box(bar);
    const onPath = critical.has(bar.node) && !bar.transfer || critical.has(bar.node) && bar.kind === "download";
    context.globalAlpha = matches(bar.name) ? 1 : Number(colours.dim);
    context.fillStyle = colours[bar.kind];
    const radius = it.width > 6 ? 3 : 0;
    context.beginPath();
    context.roundRect(it.left, it.top, it.width, it.height, radius);
    context.fill();
    if (it.width > 12 && bar.node !== undefined && !bar.transfer) drawInside(bar, it);
    if (it.width > 40) drawLabel(bar, it);
    if (onPath || bar === selected) {
      context.strokeStyle = bar === selected ? colours.text : colours.critical;
      context.lineWidth = bar === selected ? 2.5 : 2;
      context.beginPath();
      context.roundRect(it.left - 0.5, it.top - 0.5, it.width + 1, it.height + 1, radius);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /** Phases as a band at the foot of the bar; the copying around a remote build is paler. */
  function drawInside(bar, it) {
    const derivation = data.derivations[bar.node];
    if (derivation.inner) {
      const [from, to] = derivation.inner.map((time) => Math.min(Math.max(x(time), it.left), it.left + it.width));
      context.fillStyle = colours.panel;
      const alpha = context.globalAlpha;
      context.globalAlpha = alpha * 0.45;
      context.fillRect(it.left, it.top, from - it.left, it.height);
      context.fillRect(to, it.top, it.left + it.width - to, it.height);
      context.globalAlpha = alpha;
    }
    (derivation.phases || []).forEach(([, start], n, list) => {
      const end = n + 1 < list.length ? list[n + 1][1] : derivation.end;
      const [from, to] = [Math.max(x(start), it.left), Math.min(x(end), it.left + it.width)];
      if (to <= from) return;
      context.fillStyle = PHASES[n % 2];
      context.fillRect(from, it.top + it.height - 4, to - from, 4);
    });
  }

  function drawLabel(bar, it) {
    context.save();
    context.beginPath();
    context.rect(it.left + 4, it.top, it.width - 8, it.height);
    context.clip();
    context.font = `11px ${colours.font}`;
    const pale = ["asking", "other"].includes(bar.kind);
    context.fillStyle = pale ? colours.text : colours["on-bar"];
    context.fillText(bar.name, Math.max(it.left, 0) + 5, it.top + it.height / 2 + 0.5);
    context.restore();
  }

  /** The critical path from step to step, and what the selected one waited for. */
  function drawLinks() {
    const link = (from, to, colour, line) => {
      if (!from || !to) return;
      const [a, b] = [box(from), box(to)];
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.beginPath();
      context.moveTo(a.left + a.width, a.top + a.height / 2);
      const middle = (a.left + a.width + b.left) / 2;
      context.bezierCurveTo(middle, a.top + a.height / 2, middle, b.top + b.height / 2, b.left, b.top + b.height / 2);
      context.stroke();
    };
    data.critical.steps.forEach((step, n, list) => { if (n) link(own.get(list[n - 1]), own.get(step), colours.critical, 1.5); });
    if (selected && selected.node !== undefined) {
      (data.derivations[selected.node].inputs || []).slice(0, 40).forEach((it) => link(own.get(it), selected, colours.text, 1));
    }
  }

  /** Of what is shown, the bar of each derivation. */
  function standing() {
    return new Map(all.filter((it) => it.node !== undefined && it.row !== undefined && shownBar(it)).map((it) => [it.node, it]));
  }

  /** The bar that stands for a derivation: its build, or else its download. */
  function shownBar(bar) { return !bar.transfer || bar.kind === "download"; }

  function barAt(px, py) {
    if (py < head()) return null;
    const at = Math.floor((py - head() + scroller.scrollTop) / ROW);
    const lane = shown.find((it) => at > it.top && at <= it.top + it.rows.length);
    if (!lane) return null;
    const near = lane.rows[at - lane.top - 1].filter((it) => x(it.start) - 3 <= px && px <= Math.max(x(it.end), x(it.start) + 1.5) + 3);
    return near.sort((a, b) => Math.abs(x(a.start) + x(a.end) - 2 * px) - Math.abs(x(b.start) + x(b.end) - 2 * px))[0] || null;
  }

  function show(from, to) {
    const span = Math.min(Math.max(to - from, total / 20000, 0.005), total);
    const start = Math.min(Math.max(from, 0), total - span);
    view = { from: start, to: start + span };
    schedule();
  }

  function zoom(factor, around = (view.from + view.to) / 2) {
    show(around - (around - view.from) / factor, around + (view.to - around) / factor);
  }

  function select(bar, { reveal = true } = {}) {
    selected = bar;
    if (bar && reveal) {
      if (bar.end < view.from || bar.start > view.to) {
        const half = Math.max((view.to - view.from) / 2, (bar.end - bar.start) * 0.7);
        const middle = (bar.start + bar.end) / 2;
        show(middle - half, middle + half);
      }
      const top = bar.row * ROW;
      const room = height - head();
      if (top < scroller.scrollTop || top + ROW > scroller.scrollTop + room) scroller.scrollTop = Math.max(0, top - room / 2);
    }
    schedule();
    onSelect(bar);
  }

  function selectNode(node) {
    const bar = all.find((it) => it.node === node && it.row !== undefined && shownBar(it));
    select(bar || { node, name: data.derivations[node].name, start: 0, end: 0, row: 0, absent: true }, { reveal: Boolean(bar) });
  }

  /** Only what is on the critical path, or all. */
  function only(path) {
    all.forEach((it) => { delete it.row; });
    shown = lanes(path ? all.filter((it) => it.node === undefined ? it.order === 0 : critical.has(it.node) && shownBar(it)) : all);
    own = standing();
    scroller.scrollTop = 0;
    resize();
  }

  function filter(query) {
    filtered = query.trim() !== "";
    matches = matcher(query);
    schedule();
    return filtered ? all.filter((it) => it.row !== undefined && matches(it.name)) : [];
  }

  function listen() {
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.offsetX, view: { ...view }, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drag) {
        const moved = event.offsetX - drag.x;
        drag.moved = drag.moved || Math.abs(moved) > 3;
        if (drag.moved) {
          const time = (moved / (width - 2 * PAD)) * (drag.view.to - drag.view.from);
          show(drag.view.from - time, drag.view.to - time);
        }
      }
      const bar = drag && drag.moved ? null : barAt(event.offsetX, event.offsetY);
      canvas.style.cursor = bar ? "pointer" : "";
      onHover(bar, event.clientX, event.clientY);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) select(barAt(event.offsetX, event.offsetY), { reveal: false });
      drag = null;
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("pointerleave", () => onHover(null));
    canvas.addEventListener("dblclick", (event) => {
      const bar = barAt(event.offsetX, event.offsetY);
      if (bar) { const room = Math.max((bar.end - bar.start) * 0.15, 0.02); show(bar.start - room, bar.end + room); }
    });
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoom(Math.exp(-event.deltaY * 0.0025), timeAt(event.offsetX));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        const time = ((event.deltaX || event.deltaY) / width) * (view.to - view.from);
        show(view.from + time, view.to + time);
      }
    }, { passive: false });
    scroller.addEventListener("scroll", schedule, { passive: true });
    new ResizeObserver(() => { if (scroller.clientWidth !== width && !paper) resize(); }).observe(scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); schedule(); });
  }

  /** On paper the whole of it, as light as paper. */
  function print(on) {
    paper = on;
    if (on) view = { from: 0, to: total };
    resize();
  }

  listen();
  resize();
  return {
    select, selectNode, only, filter, zoom, print, draw,
    fit: () => show(0, total),
    bars: () => all.filter((it) => it.row !== undefined),
    selected: () => selected,
    view: () => ({ ...view }),
    /** Where a bar is on the page, for tests. */
    place: (bar) => { const it = box(bar); const rect = canvas.getBoundingClientRect(); return { x: rect.left + it.left + it.width / 2, y: rect.top + it.top + it.height / 2 }; },
  };
}
