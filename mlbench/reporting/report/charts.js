"use strict";
/* The charts. Text is only ever set through textContent, so that no name can become markup. */

const MARGIN = { top: 14, right: 16, bottom: 44, left: 52 };
const REACH = 48; // the largest distance in pixels from the pointer to the point it selects
const COLOURS = 8;
const DURATIONS = [
  [0.001, "1 ms"], [0.01, "10 ms"], [0.1, "0.1 s"], [1, "1 s"], [10, "10 s"], [60, "1 min"], [600, "10 min"],
  [3600, "1 h"], [36000, "10 h"], [360000, "100 h"], [3600000, "1000 h"],
];
const FINE = [
  [0.002, "2 ms"], [0.005, "5 ms"], [0.02, "20 ms"], [0.05, "50 ms"], [0.2, "0.2 s"], [0.5, "0.5 s"], [2, "2 s"],
  [5, "5 s"], [20, "20 s"], [120, "2 min"], [300, "5 min"], [1800, "30 min"], [7200, "2 h"], [18000, "5 h"],
];
const STATES = { COMPLETE: "complete", PRUNED: "pruned", FAIL: "failed" };

function add(parent, tag, attributes = {}, text = null) {
  const inSvg = tag === "svg" || parent.namespaceURI === "http://www.w3.org/2000/svg";
  const made = inSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}

function ink(series) {
  if (series.colour < 0) return "ink baseline";
  return `ink s${series.colour % COLOURS} d${Math.floor(series.colour / COLOURS) % 3}`;
}

function duration(seconds) {
  if (seconds < 1) return `${seconds.toFixed(3)} s`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/* Round numbers from low to high, about `count` of them. */
function ticks(low, high, count, whole = false) {
  const rough = (high - low) / count || 1;
  const ten = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((one) => one * ten).find((one) => one >= rough * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-6; at += 1) {
    found.push([at * step, (at * step).toFixed(digits)]);
  }
  return found;
}

function extent(values, share) {
  const low = Math.min(...values), high = Math.max(...values);
  const rim = (high - low) * share || 0.05;
  return [low - rim, high + rim];
}

/* Each kind of chart defines its series, as points with a text, and its axes for the series shown. */
const KINDS = {
  curves: {
    series(board, part) {
      return board.series.filter((one) => one.curves[part]).map((one) => {
        const { recall, precision, ap } = one.curves[part];
        return {
          ...one, note: ap.toFixed(4), start: recall.findIndex((value) => value >= 0.5),
          points: recall.map((x, i) => ({
            x, y: precision[i], text: `recall ${x.toFixed(3)}, precision ${precision[i].toFixed(3)}`,
          })),
        };
      });
    },
    axes: () => ({
      x: [0, 1], y: [0, 1.005], xTicks: ticks(0, 1, 5), yTicks: ticks(0, 1, 5), xName: "Recall", yName: "Precision",
    }),
  },
  tuning: {
    series(board) {
      return board.series.filter((one) => one.trials.length).map((one) => {
        const last = one.trials[one.trials.length - 1][3];
        return {
          ...one, stepped: true, marked: true, note: last === null ? "no complete trial" : last.toFixed(4),
          off: one.colour < 0 && board.series.length > 1, start: one.trials.length - 1,
          points: one.trials.map(([number, state, value, best]) => ({
            // Of the complete trials, only improvements are marked; dots for all would hide the lines.
            x: number, y: best, state: state === "COMPLETE" && value !== best ? "NONE" : state,
            text: `trial ${number}: ${value === null ? STATES[state] : value.toFixed(4)}, `
              + (best === null ? "no complete trial yet" : `best so far ${best.toFixed(4)}`),
          })),
        };
      });
    },
    axes(shown) {
      const points = shown.flatMap((one) => one.points);
      const known = points.map((point) => point.y).filter((value) => value !== null);
      const y = known.length ? extent(known, 0.08) : [0, 1];
      const x = [0, Math.max(1, ...points.map((point) => point.x))];
      return { x, y, xTicks: ticks(...x, 6, true), yTicks: ticks(...y, 5), xName: "Trial", yName: "Best on valid" };
    },
  },
  cost: {
    series(board) {
      return board.series.filter((one) => one.cost !== null && one.value !== null).map((one) => ({
        ...one, measure: board.name, marked: true, start: 0, note: "",
        points: [{
          x: Math.log10(Math.max(one.cost, 0.001)), y: one.value, state: one.front ? "FRONT" : "OTHER",
          text: `${duration(one.cost)}, ${board.name} ${one.value.toFixed(4)}${one.front ? ", on the Pareto front" : ""}`,
        }],
      }));
    },
    axes(shown) {
      const points = shown.flatMap((one) => one.points);
      const x = points.length ? extent(points.map((point) => point.x), 0.08) : [0, 1];
      const y = points.length ? extent(points.map((point) => point.y), 0.12) : [0, 1];
      const within = (times) => times.map(([value, text]) => [Math.log10(value), text])
        .filter(([at]) => at >= x[0] && at <= x[1]);
      const coarse = within(DURATIONS);
      return {
        x, y, xTicks: coarse.length > 2 ? coarse : [...coarse, ...within(FINE)], yTicks: ticks(...y, 5),
        xName: "Prepare + tune + fit (logarithmic)", yName: `Test ${shown.length ? shown[0].measure : ""}`,
      };
    },
  },
};

function axesOf(svg, frame) {
  const { axes, px, py, width, height } = frame;
  const grid = add(svg, "g", { class: "axes" });
  for (const [at, text] of axes.yTicks) {
    add(grid, "line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: py(at), y2: py(at) });
    add(grid, "text", { x: MARGIN.left - 8, y: py(at) + 4, "text-anchor": "end" }, text);
  }
  for (const [at, text] of axes.xTicks) {
    add(grid, "line", { x1: px(at), x2: px(at), y1: MARGIN.top, y2: height - MARGIN.bottom });
    add(grid, "text", { x: px(at), y: height - MARGIN.bottom + 18, "text-anchor": "middle" }, text);
  }
  const middle = (MARGIN.left + width - MARGIN.right) / 2;
  add(grid, "text", { x: middle, y: height - 6, "text-anchor": "middle", class: "axis" }, axes.xName);
  const half = (MARGIN.top + height - MARGIN.bottom) / 2;
  const turned = { x: 0, y: 0, transform: `translate(12 ${half}) rotate(-90)`, "text-anchor": "middle", class: "axis" };
  add(grid, "text", turned, axes.yName);
}

function mark(group, state, x, y) {
  if (state === "NONE") return;
  if (state === "PRUNED") add(group, "path", { class: "pruned", d: `M${x - 4.5} ${y - 3.5}h9l-4.5 8z` });
  else if (state === "FAIL") add(group, "path", { class: "failed", d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` });
  else add(group, "circle", { class: "dot", cx: x, cy: y, r: state === "FRONT" ? 7 : state === "OTHER" ? 5 : 3.5 });
}

function seriesOf(svg, one, frame) {
  const { px, py } = frame;
  const group = add(svg, "g", { class: `series ${ink(one)}` });
  const bottom = frame.axes.y[0];
  one.places = one.points.map((point) => [px(point.x), py(point.y === null ? bottom : point.y)]);
  if (one.points.length > 1) {
    let path = "";
    one.points.forEach((point, i) => {
      const [x, y] = one.places[i];
      if (point.y === null) return;
      path += path === "" ? `M${x.toFixed(1)} ${y.toFixed(1)}`
        : one.stepped ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `L${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    add(group, "path", { class: "line", d: path });
  }
  if (one.marked) one.points.forEach((point, i) => mark(group, point.state, ...one.places[i]));
  return group;
}

/* The Pareto front as a step line, with the names of its points where there is room. */
function frontOf(svg, shown, frame) {
  const front = shown.filter((one) => one.front).sort((a, b) => a.places[0][0] - b.places[0][0]);
  const path = front.map((one, i) => {
    const [x, y] = one.places[0];
    return i ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");
  if (path) svg.insertBefore(add(svg, "path", { class: "front", d: path }), svg.querySelector(".series"));
  const taken = shown.map((one) => [one.places[0][0] - 6, one.places[0][1] - 6, 12, 12]);
  const clash = (box) => taken.some((other) => box[0] < other[0] + other[2] && other[0] < box[0] + box[2]
    && box[1] < other[1] + other[3] && other[1] < box[1] + box[3]);
  for (const one of front) {
    const [x, y] = one.places[0];
    const name = one.name.length > 30 ? `${one.name.slice(0, 29)}…` : one.name;
    const text = add(svg, "text", { class: "name" }, name);
    const wide = text.getComputedTextLength();
    const right = frame.width - MARGIN.right;
    const tries = [-10, 20, -26, 36, -42, 52].flatMap((down) => [[x - wide - 8, down], [x + 8, down], [x - wide / 2, down]])
      .filter(([left, down]) => left >= MARGIN.left && left + wide <= right && y + down > MARGIN.top
        && y + down < frame.height - MARGIN.bottom - 4)
      .map(([left, down]) => [left, y + down - 11, wide, 15]);
    const box = tries.find((one) => !clash(one)) || tries[0] || [Math.max(0, right - wide), y - 21, wide, 15];
    taken.push(box);
    text.setAttribute("x", box[0]);
    text.setAttribute("y", box[1] + 11);
  }
}

class Chart {
  constructor(figure, board, id) {
    this.figure = figure;
    this.board = board;
    this.kind = KINDS[figure.dataset.chart];
    this.part = "test";
    this.off = null;
    this.plot = figure.querySelector(".plot");
    this.label = this.plot.dataset.label;
    this.tip = add(figure, "div", { class: "tip", "aria-hidden": "true" });
    this.plot.append(this.tip);
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.legend.setAttribute("aria-label", "Rows: press to hide or show, use the arrow keys to move along");
    this.plot.after(this.legend);
    this.status = add(figure, "p", { class: "unseen", role: "status" });
    for (const choice of figure.querySelectorAll("input")) {
      choice.addEventListener("change", () => { this.part = choice.value; this.load(); });
    }
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerdown", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", (event) => this.leave(event));
    this.load();
    new ResizeObserver(() => requestAnimationFrame(() => {
      if (this.plot.clientWidth !== this.width) this.draw();
    })).observe(this.plot);
  }

  load() {
    this.series = this.kind.series(this.board, this.part);
    this.off ??= new Set(this.series.filter((one) => one.off).map((one) => one.name));
    this.legend.replaceChildren();
    this.series.forEach((one) => {
      const button = add(add(this.legend, "li"), "button", { type: "button", class: ink(one) });
      const key = add(button, "svg", { width: 22, height: 10, "aria-hidden": "true" });
      if (this.kind === KINDS.cost) add(key, "circle", { class: "dot", cx: 11, cy: 5, r: 5 });
      else add(key, "line", { class: "line", x1: 1, x2: 21, y1: 5, y2: 5 });
      add(button, "span", {}, one.name);
      if (one.note) add(button, "small", {}, one.note);
      button.setAttribute("aria-pressed", String(!this.off.has(one.name)));
      button.addEventListener("click", () => this.toggle(one, button));
      button.addEventListener("focus", () => this.show(one, one.start, true));
      button.addEventListener("blur", () => this.leave());
      button.addEventListener("pointerenter", () => this.show(one, one.start, false));
      button.addEventListener("pointerleave", (event) => this.leave(event));
      button.addEventListener("keydown", (event) => this.key(event, one));
    });
    this.draw();
  }

  toggle(one, button) {
    if (!this.off.delete(one.name)) this.off.add(one.name);
    button.setAttribute("aria-pressed", String(!this.off.has(one.name)));
    this.draw();
    if (this.off.has(one.name)) this.status.textContent = `${one.name} is hidden`;
    else this.show(one, one.start, true);
  }

  draw() {
    this.width = this.plot.clientWidth;
    if (!this.width) return;
    const width = this.width, height = Math.round(Math.min(440, Math.max(280, width * 0.6)));
    this.plot.querySelector("svg")?.remove();
    const svg = add(this.plot, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
    svg.setAttribute("aria-label", this.part === "test" ? this.label : `On ${this.part}, not test. ${this.label}`);
    this.shown = this.series.filter((one) => !this.off.has(one.name));
    const axes = this.kind.axes(this.shown);
    const across = width - MARGIN.left - MARGIN.right, down = height - MARGIN.top - MARGIN.bottom;
    const frame = {
      axes, width, height,
      px: (value) => MARGIN.left + (across * (value - axes.x[0])) / (axes.x[1] - axes.x[0]),
      py: (value) => MARGIN.top + down * (1 - (value - axes.y[0]) / (axes.y[1] - axes.y[0])),
    };
    axesOf(svg, frame);
    [...this.shown].reverse().forEach((one) => { one.group = seriesOf(svg, one, frame); });
    if (this.kind === KINDS.cost) frontOf(svg, this.shown, frame);
    this.marker = add(svg, "circle", { class: "marker", r: 5 });
    this.svg = svg;
    this.leave();
  }

  /* Finds the visible point nearest to the pointer. */
  point(event) {
    const box = this.plot.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = REACH;
    for (const one of this.shown) {
      one.places.forEach(([a, b], i) => {
        const distance = Math.hypot(a - x, b - y);
        if (distance < least) [best, least] = [[one, i], distance];
      });
    }
    if (best) this.show(...best, false);
    else this.leave();
  }

  key(event, one) {
    const last = one.points.length - 1;
    const step = Math.max(1, Math.round(last / 50));
    const at = this.at ?? one.start;
    const next = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.leave();
    if (next === undefined || this.off.has(one.name)) return;
    event.preventDefault();
    this.show(one, Math.min(last, Math.max(0, next)), true);
  }

  show(one, at, spoken) {
    if (!one.group || this.off.has(one.name)) return;
    this.at = at;
    this.svg.classList.add("picked");
    for (const other of this.shown) other.group.classList.toggle("picked", other === one);
    const [x, y] = one.places[at];
    this.marker.setAttribute("class", `marker on ${ink(one)}`);
    this.marker.setAttribute("cx", x);
    this.marker.setAttribute("cy", y);
    this.tip.replaceChildren();
    add(this.tip, "strong", {}, one.name);
    add(this.tip, "span", {}, one.points[at].text);
    this.tip.classList.add("on");
    const left = Math.min(Math.max(0, x - this.tip.offsetWidth / 2), this.width - this.tip.offsetWidth);
    const above = y - this.tip.offsetHeight - 12;
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${above >= 0 ? above : y + 14}px`;
    if (spoken) this.status.textContent = `${one.name}: ${one.points[at].text}`;
  }

  leave(event) {
    if (event?.pointerType === "touch") return; // keep the tooltip after a finger is lifted
    this.at = null;
    this.svg?.classList.remove("picked");
    this.marker?.setAttribute("class", "marker");
    this.tip.classList.remove("on");
  }
}
