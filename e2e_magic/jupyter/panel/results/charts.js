// The charts: each is laid out as one line of points per trial, drawn, and asked for what lies at the pointer.

const MARGIN = { left: 62, right: 14, top: 10, bottom: 34 };
const MOST_LINES = 800, MOST_CURVES = 200;

// Every so-manieth of the rows, so that drawing stays quick.
function thinned(rows, most) {
  const step = Math.max(1, Math.ceil(rows.length / most));
  return step === 1 ? rows : rows.filter((_, n) => n % step === 0);
}

export class Chart {
  constructor(canvas, over) { Object.assign(this, { canvas, over, lines: new Map(), dots: null }); }

  size() {
    const box = this.canvas.parentElement.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    this.width = Math.max(160, box.width); this.height = box.height;
    for (const canvas of [this.canvas, this.over]) {
      const width = Math.round(this.width * ratio), height = Math.round(this.height * ratio);
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.inner = [MARGIN.left, MARGIN.top, this.width - MARGIN.left - MARGIN.right,
      this.height - MARGIN.top - MARGIN.bottom];
  }

  x(place) { return this.inner[0] + place * this.inner[2]; }
  y(place) { return this.inner[1] + (1 - place) * this.inner[3]; }

  // `model` has trials, about, scales (a function), best (indices so far), running.
  draw(mode, model) {
    this.size();
    this.axes = [];
    this.lines = new Map();
    this.dots = null;
    this.note = "";
    const context = this.canvas.getContext("2d"), style = getComputedStyle(this.canvas);
    this.colours = Object.fromEntries(["ink", "faint", "line", "dot", "best", "bad", "mark", "ground"].map(
      name => [name, style.getPropertyValue(`--e2e-${name}`).trim()]));
    context.clearRect(0, 0, this.width, this.height);
    context.font = `11px ${style.fontFamily}`;
    if (mode === "parallel") this.parallel(context, model);
    else if (mode === "curves") this.curvesOf(context, model);
    else this.scatter(context, mode, model);
  }

  frame(context, across, up, words) {
    const [left, top, width, height] = this.inner, { ink, line } = this.colours;
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.fillStyle = ink;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const [place, text] of up.ticks) {
      if (place < -0.001 || place > 1.001) continue;
      context.globalAlpha = 0.6;
      context.beginPath(); context.moveTo(left, this.y(place)); context.lineTo(left + width, this.y(place));
      context.stroke();
      context.globalAlpha = 1;
      context.fillText(cut(text, 9), left - 6, this.y(place));
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    let free = -Infinity;
    for (const [place, text] of across.ticks) {
      const short = cut(text, 14), half = context.measureText(short).width / 2, at = this.x(place);
      context.beginPath(); context.moveTo(at, top + height); context.lineTo(at, top + height + 4); context.stroke();
      if (at - half < free || place < -0.001 || place > 1.001) continue;
      context.fillText(short, at, top + height + 6);
      free = at + half + 6;
    }
    context.fillText(words, left + width / 2, this.height - 13);
  }

  scatter(context, mode, { trials, about, scales, best }) {
    const target = trials.columns.get(about.target);
    const up = target && scales(about.target), over = mode === "trials";
    const name = mode.slice(3), column = over ? null : trials.columns.get(name);
    const across = over ? scaleOf([1, Math.max(2, trials.count)]) : column && scales(name);
    if (!up || !across) { this.say(context, "no trial has completed yet: nothing to draw"); return; }
    this.frame(context, across, up, over ? "trials, in their order" : name);
    context.fillStyle = this.colours.dot;
    const many = trials.order.length > 2000, xs = new Float32Array(trials.count).fill(NaN), ys = new Float32Array(trials.count);
    this.dots = [xs, ys];
    context.globalAlpha = many ? 0.35 : 0.7;
    for (const i of trials.order) {
      const x = this.x(across.at(over ? i + 1 : column[i])), y = this.y(up.at(target[i]));
      if (Number.isNaN(x + y)) continue;
      xs[i] = x; ys[i] = y;
      if (many) context.fillRect(x - 1.5, y - 1.5, 3, 3);
      else { context.beginPath(); context.arc(x, y, 3, 0, 7); context.fill(); }
    }
    context.globalAlpha = 1;
    if (!over || !best.length) return;
    context.strokeStyle = this.colours.best;
    context.lineWidth = 1.8;
    context.beginPath();
    best.forEach((i, n) => {
      const x = this.x(across.at(i + 1)), y = this.y(up.at(target[i]));
      if (n) context.lineTo(x, this.y(up.at(target[best[n - 1]]))); else context.moveTo(x, y);
      context.lineTo(x, y);
    });
    context.lineTo(this.x(across.at(trials.count)), this.y(up.at(target[best.at(-1)])));
    context.stroke();
  }

  parallel(context, { trials, about, scales }) {
    const names = [...about.params, about.target].filter(name => trials.columns.has(name) && scales(name));
    const { ink, line, dot, best, ground } = this.colours, [left, top, width, height] = this.inner;
    this.axes = names.map((name, n) => ({ name, x: left + (names.length < 2 ? 0.5 : n / (names.length - 1)) * width }));
    context.strokeStyle = dot;
    const rows = thinned(trials.order, MOST_LINES), columns = names.map(name => trials.columns.get(name));
    context.globalAlpha = Math.max(0.08, Math.min(0.6, 30 / rows.length));
    for (const i of rows) {
      const points = [];
      names.forEach((name, n) => {
        const place = scales(name).at(columns[n][i]);
        if (!Number.isNaN(place)) points.push(this.axes[n].x, this.y(place));
      });
      this.lines.set(i, points);
      stroke(context, points);
    }
    context.globalAlpha = 1;
    if (rows.length < trials.order.length) this.note = `${written(rows.length)} of ${written(trials.order.length)} lines drawn`;
    context.fillStyle = ink;
    const halo = (text, x, y) => { // readable also on top of lines
      context.strokeStyle = ground;
      context.lineWidth = 3;
      context.strokeText(text, x, y);
      context.lineWidth = 1;
      context.fillText(text, x, y);
    };
    this.axes.forEach(({ name, x }, n) => {
      context.strokeStyle = line;
      context.beginPath(); context.moveTo(x, top); context.lineTo(x, top + height); context.stroke();
      context.textAlign = n && n === this.axes.length - 1 ? "right" : n ? "center" : "left";
      context.textBaseline = "top";
      context.fillText(cut(about.titles[name] ?? name, 18), n ? x + (n === this.axes.length - 1 ? 12 : 0) : x - 30, this.height - 24);
      context.textAlign = "right";
      context.textBaseline = "middle";
      for (const [place, text] of scales(name).ticks) {
        if (place >= -0.001 && place <= 1.001) halo(cut(text, 9), x - 5, this.y(place));
      }
      const range = trials.brushes.get(name);
      if (!range) return;
      const [from, to] = scales(name).ends(range).map(place => this.y(Math.min(1, Math.max(0, place))));
      context.fillStyle = best;
      context.globalAlpha = 0.35;
      context.fillRect(x - 6, to, 12, from - to);
      context.globalAlpha = 1;
      context.fillStyle = ink;
    });
  }

  curvesOf(context, { trials, about, best, running }) {
    const all = trials.order.filter(i => trials.curves[i]), rows = thinned(all, MOST_CURVES);
    const xs = [], ys = [], own = running?.curves[about.curve] ?? [];
    for (const i of rows) trials.curves[i].forEach((value, n) => (n % 2 ? ys : xs).push(value));
    own.forEach((value, n) => { if (value !== null) { xs.push(running.epoch[n]); ys.push(value); } });
    if (!xs.length) {
      this.say(context, "no trial has logged a curve: e2e.log(loss=..) in the cell");
      return;
    }
    let low = Infinity, high = -Infinity;
    for (const y of ys) { low = Math.min(low, y); high = Math.max(high, y); }
    const across = scaleOf(xs), up = scaleOf(ys, high / low >= 30);
    this.frame(context, across, up, `epoch; ${about.titles[about.curve] ?? about.curve}`);
    const laid = points => {
      const line = [];
      for (let n = 0; n < points.length; n += 2) line.push(this.x(across.at(points[n])), this.y(up.at(points[n + 1])));
      return line;
    };
    context.strokeStyle = this.colours.dot;
    context.globalAlpha = Math.max(0.12, Math.min(0.6, 25 / rows.length));
    for (const i of rows) { this.lines.set(i, laid(trials.curves[i])); stroke(context, this.lines.get(i)); }
    context.globalAlpha = 1;
    context.lineWidth = 2;
    const first = best.at(-1);
    if (trials.curves[first]) {
      context.strokeStyle = this.colours.best;
      this.lines.set(first, laid(trials.curves[first]));
      stroke(context, this.lines.get(first));
    }
    context.strokeStyle = this.colours.bad;
    context.setLineDash([5, 3]);
    stroke(context, laid(own.flatMap((value, n) => value === null ? [] : [running.epoch[n], value])));
    context.setLineDash([]);
    this.note = [rows.length < all.length ? `${written(rows.length)} of ${written(all.length)} curves drawn` : "",
      own.length ? "dashed: the trial that runs" : ""].filter(Boolean).join("; ");
  }

  say(context, words) {
    context.fillStyle = this.colours.faint;
    context.textAlign = "center";
    context.fillText(words, this.width / 2, this.height / 2);
  }

  // Return the points of a row, or none.
  pointsOf(i) {
    if (this.dots && this.dots[0][i] >= 0) return [this.dots[0][i], this.dots[1][i]];
    return this.lines.get(i);
  }

  // Return the rows that are drawn, from left to right.
  across() {
    const rows = this.dots ? [...this.dots[0].keys()].filter(i => this.dots[0][i] >= 0) : [...this.lines.keys()];
    const [x, y] = this.dots ?? [0, 1].map(end => Object.fromEntries([...this.lines].map(([i, line]) => [i, line.at(-end)])));
    return rows.sort((a, b) => x[a] - x[b] || y[a] - y[b]);
  }

  // Return the row at the pointer, or null.
  hit(x, y) {
    let found = null, nearest = 14;
    if (this.dots) {
      const [xs, ys] = this.dots;
      nearest *= nearest;
      for (let i = 0; i < xs.length; i++) {
        const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2; // not a number where none is drawn
        if (distance < nearest) { nearest = distance; found = i; }
      }
      return found;
    }
    for (const [i, points] of this.lines) {
      let distance = Infinity;
      for (let n = 2; n < points.length; n += 2) {
        if (x < points[n - 2] || x > points[n]) continue;
        const part = (x - points[n - 2]) / (points[n] - points[n - 2] || 1);
        distance = Math.abs(points[n - 1] + part * (points[n + 1] - points[n - 1]) - y);
        break;
      }
      if (distance < nearest) { nearest = distance; found = i; }
    }
    return found;
  }

  // Mark rows on the layer above: what lies below it is not drawn again.
  mark(rows) {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    context.strokeStyle = context.fillStyle = this.colours?.mark ?? "#000";
    context.lineWidth = 2.5;
    for (const i of rows) {
      const points = this.pointsOf(i);
      if (!points) continue;
      if (points.length > 2) stroke(context, points);
      else { context.beginPath(); context.arc(points[0], points[1], 6, 0, 7); context.stroke(); }
    }
  }
}

function stroke(context, points) {
  context.beginPath();
  for (let n = 0; n < points.length; n += 2) {
    if (n) context.lineTo(points[n], points[n + 1]); else context.moveTo(points[n], points[n + 1]);
  }
  context.stroke();
}

export function cut(text, most) { return text.length > most ? `${text.slice(0, most - 1)}…` : text; }
