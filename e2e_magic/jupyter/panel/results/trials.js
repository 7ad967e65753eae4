// The trials as columns, and which of them are shown in which order. Four files make one module: see widget.py.

const isNumber = value => typeof value === "number" && Number.isFinite(value);

const whole = new Intl.NumberFormat("en"); // made once: making one takes longer than a row may take

export function written(value) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return size < 1000 ? String(value) : whole.format(value);
  if (value !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(4)));
}

// A scale of one column: a place between 0 and 1 per value, and ticks. Text stands in the order of its coming.
export function scaleOf(values, log = false, swept = null) {
  let low = Infinity, high = -Infinity, numeric = true;
  const distinct = new Set(swept ?? []);
  for (const value of [...distinct]) if (!isNumber(value)) numeric = false;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    if (!isNumber(value)) numeric = false;
    if (distinct.size <= 64 || !numeric) distinct.add(value);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!distinct.size) return null;
  if (!numeric) {
    const order = [...distinct].map(String), place = new Map(order.map((text, n) => [text, n]));
    const at = value => (place.get(String(value)) + 0.5) / order.length;
    return { numeric, at, ticks: order.map(text => [at(text), text]),
      within: (value, [from, to]) => at(value) >= from && at(value) <= to, range: (from, to) => [from, to],
      ends: range => range };
  }
  for (const value of swept ?? []) { low = Math.min(low, value); high = Math.max(high, value); }
  const logarithmic = log && low > 0;
  const to = logarithmic ? Math.log : x => x, back = logarithmic ? Math.exp : x => x;
  let first = to(low), last = to(high);
  if (first === last) { first -= Math.abs(first) / 10 || 1; last += Math.abs(last) / 10 || 1; }
  const margin = (last - first) * 0.04;
  first -= margin; last += margin;
  const at = value => isNumber(value) && (!logarithmic || value > 0) ? (to(value) - first) / (last - first) : NaN;
  const marks = (swept ?? []).length && distinct.size <= 8 ? [...distinct].sort((a, b) => a - b)
    : ticksOf(low, high, logarithmic);
  return { numeric, at, ticks: marks.map(value => [at(value), written(value)]),
    within: (value, [from, to_]) => value >= from && value <= to_,
    range: (from, to_) => [back(first + from * (last - first)), back(first + to_ * (last - first))],
    ends: ([from, to_]) => [at(from), at(to_)] };
}

function ticksOf(low, high, logarithmic) {
  if (logarithmic && high / low >= 10) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const step = Math.max(1, Math.ceil((last - first + 1) / 6)), powers = [];
    for (let power = first; power <= last; power += step) powers.push(10 ** power);
    return powers;
  }
  if (low === high) return [low];
  const rough = (high - low) / 4, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(n => n * unit).find(n => n >= rough * 0.999), ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= high / step + 1e-9; n++) ticks.push(n * step + 0); // no -0
  return ticks;
}

export class Trials {
  constructor() { this.clear(0); }

  clear(sweep) {
    Object.assign(this, { sweep, count: 0, columns: new Map([["trial", []], ["state", []]]), errors: new Map(),
      texts: [], curves: [], brushes: new Map(), terms: [], order: [], problem: "" });
  }

  // Return false where rows before these are missing.
  take(message, buffers) {
    if (message.sweep !== this.sweep) this.clear(message.sweep);
    if (message.start > this.count) return false;
    const skip = this.count - message.start, many = message.columns.trial.length;
    if (skip >= many) return true;
    for (const [name, values] of Object.entries(message.columns)) {
      if (!this.columns.has(name)) this.columns.set(name, new Array(this.count).fill(null));
      const column = this.columns.get(name);
      for (let n = skip; n < many; n++) column.push(values[n]);
    }
    this.count = message.start + many;
    for (const column of this.columns.values()) while (column.length < this.count) column.push(null);
    for (const [n, text] of Object.entries(message.errors)) this.errors.set(message.start + Number(n), text);
    const view = buffers[0], points = view?.byteLength ? new Float32Array(
      view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)) : new Float32Array();
    let from = 0;
    message.lengths.forEach((length, n) => {
      if (n >= skip) this.curves.push(length ? points.subarray(from, from + 2 * length) : null);
      from += 2 * length;
    });
    // What a word is looked for in: written as rows come, not all of them at the first letter.
    const columns = [...this.columns.values()];
    for (let i = this.texts.length; i < this.count; i++) {
      this.texts.push((columns.map(column => written(column[i])).join(" ") + (this.errors.get(i) ?? "")).toLowerCase());
    }
    return true;
  }

  // Read a filter: `n>2 lr=0.1 failed`. A word without a sign is looked for in the whole row.
  filter(text) {
    this.problem = "";
    const names = [...this.columns.keys()];
    this.terms = (text.replace(/\s*(<=|>=|!=|=|<|>)\s*/g, "$1").match(/\S+/g) ?? []).flatMap(term => {
      const [, name, sign, value] = term.match(/^(.+?)(<=|>=|!=|=|<|>)(.+)$/) ?? [];
      if (!sign) { const word = term.toLowerCase(); return [i => this.texts[i].includes(word)]; }
      const column = names.find(one => one.toLowerCase() === name.toLowerCase());
      if (!column) { this.problem = `there is no column ${name}; there are ${names.join(", ")}`; return []; }
      const number = Number(value), values = this.columns.get(column);
      return [i => {
        const one = values[i];
        if (one === null) return false;
        const same = isNumber(one) ? one === number : String(one).toLowerCase() === value.toLowerCase();
        return sign === "=" ? same : sign === "!=" ? !same : sign === "<" ? one < number
          : sign === "<=" ? one <= number : sign === ">" ? one > number : one >= number;
      }];
    });
  }

  // Set `order`: the rows that are shown; what has no value stands last, whichever way they are sorted.
  arrange(sort, descending, scales) {
    const shown = [], tests = [...this.terms];
    for (const [name, range] of this.brushes) {
      const values = this.columns.get(name), scale = values && scales(name);
      if (scale) tests.push(i => scale.within(values[i], range));
    }
    for (let i = 0; i < this.count; i++) if (tests.every(test => test(i))) shown.push(i);
    const column = this.columns.get(sort), sign = descending ? -1 : 1;
    if (column) shown.sort((a, b) => {
      const x = column[a], y = column[b];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      if (isNumber(x) && isNumber(y)) return sign * (x - y) || a - b;
      return sign * String(x).localeCompare(String(y), "en", { numeric: true }) || a - b;
    });
    this.order = shown;
  }
}
