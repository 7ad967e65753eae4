// The results of a panel: a finding, two charts, a filter, all rows, and the trial that is looked at.

const ROW = 24, AHEAD = 8;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

class View {
  constructor(model, el) {
    Object.assign(this, { model, el, trials: new Trials(), sort: null, descending: false, hovered: null, reached: null, selected: null,
      running: null, cached: new Map(), best: [], asked: -1, ending: new AbortController(), chosen: false });
    this.build();
    model.on("msg:custom", this.heard = (message, buffers) => this.take(message, buffers));
    model.on("change:about", this.told = () => this.later());
    const observer = new ResizeObserver(() => { this.tell(); this.later(); });
    const attached = () => { // the panel around it tells how much room there is, also before there are results
      const panel = this.panel = el.closest(".e2e-panel"), outer = panel?.parentElement;
      if (outer) {
        observer.observe(outer);
        this.unname = keepNamed(panel);
        panel.addEventListener("click", event => { this.awaited ||= Boolean(event.target.closest(".e2e-run, .e2e-resume")); });
      } else if (!this.ending.signal.aborted) requestAnimationFrame(attached);
    };
    attached();
    // A theme is named before its style sheet is there.
    const themes = new MutationObserver(() => [0, 300, 1000].forEach(ms => setTimeout(() => this.later(), ms)));
    observer.observe(el);
    themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "class"] });
    this.ending.signal.addEventListener("abort", () => { observer.disconnect(); themes.disconnect(); });
    model.send({ want: 0 });
    model.set("alive", true);
    this.tell();
  }

  close() {
    this.ending.abort();
    this.unname?.();
    this.model.off("msg:custom", this.heard);
    this.model.off("change:about", this.told);
  }

  get about() { return this.model.get("about"); }

  tell() {
    const outer = this.el.closest(".e2e-panel")?.parentElement ?? this.el;
    const wide = outer.getBoundingClientRect().width >= 1100;
    if (wide !== this.model.get("wide") || !this.saved) { this.model.set("wide", wide); this.model.save_changes(); }
    this.saved = true;
  }

  build() {
    const { el } = this;
    el.classList.add("e2e-live");
    // While this stands on the page, the static page below it has nothing to add.
    el.append(element("style", {}, `.${this.about.mark}{display:none}`));
    this.finding = element("p", { class: "e2e-finding" });
    this.panes = ["left", "right"].map(side => this.pane(side));
    this.tip = element("div", { class: "e2e-tip", hidden: true, role: "tooltip" });
    this.search = element("input", { type: "search", class: "e2e-filter", placeholder: "n>2 lr=0.1 failed",
      "aria-label": "filter the trials: NAME=VALUE, NAME<VALUE, or a word", spellcheck: "false",
      oninput: () => { this.trials.filter(this.search.value); this.scroll.scrollTop = 0; this.later(); } });
    this.chips = element("span", { class: "e2e-chips" });
    this.shown = element("span", { class: "e2e-shown", role: "status" });
    this.head = element("tr", { "aria-rowindex": 1 });
    const rowAt = event => { const row = event.target.closest("[data-row]"); return row ? Number(row.dataset.row) : null; };
    const point = i => { if (i !== this.hovered) { this.hovered = i; this.mark(); } };
    this.body = element("tbody", { onclick: event => { const i = rowAt(event); if (i !== null) this.choose(i); },
      onpointerover: event => point(rowAt(event)), onpointerleave: () => point(null) });
    this.table = element("table", { class: "e2e-trials", "aria-label": "trials" }, element("thead", {}, this.head), this.body);
    this.scroll = element("div", { class: "e2e-scroll", tabindex: 0, role: "region",
      "aria-label": "all trials; up and down choose one", onscroll: () => this.rows(), onkeydown: event => this.key(event) },
      this.table);
    this.detail = element("section", { class: "e2e-detail", hidden: true, "aria-label": "the chosen trial" });
    this.content = element("div", { class: "e2e-content" }, element("div", { class: "e2e-panes" }, ...this.panes.map(one => one.figure)),
      element("div", { class: "e2e-tools" }, element("label", {}, "filter ", this.search), this.chips, this.shown),
      this.scroll, this.detail);
    el.append(this.finding, this.content, this.tip);
  }

  pane(side) {
    const canvas = element("canvas", { "aria-hidden": "true" }), over = element("canvas", { "aria-hidden": "true" });
    const pane = { chart: new Chart(canvas, over), select: element("select", { class: `e2e-chart-${side}`,
      "aria-label": `${side} chart`, onchange: () => { pane.set = true; this.later(pane); } }) };
    pane.caption = element("span", { class: "e2e-note" });
    pane.plot = element("div", { class: "e2e-plot", tabindex: 0, role: "img",
      onpointermove: event => this.pointed(pane, event), onpointerleave: () => this.hover(null),
      onpointerdown: event => this.pressed(pane, event), onpointerup: event => this.released(pane, event),
      onkeydown: event => this.stepped(pane, event), onblur: () => { this.reached = null; this.hover(null); } }, canvas, over);
    pane.figure = element("figure", { class: "e2e-pane" }, element("figcaption", {}, pane.select, pane.caption), pane.plot);
    return pane;
  }

  take(message, buffers) {
    if (message.kind === "rows") {
      if (message.sweep !== this.trials.sweep) { this.choose(null); this.running = null; }
      const chips = message.sweep !== this.trials.sweep && this.search.value;
      if (!this.trials.take(message, buffers) && this.asked !== this.trials.count) {
        this.asked = this.trials.count;
        this.model.send({ want: this.trials.count });
      }
      if (chips) this.trials.filter(this.search.value);
      if (this.running && message.columns.trial.includes(this.running.trial)) this.running = null;
      this.fresh = true;
      if (message.more) return; // drawn once, when all are here
    } else if (message.kind === "running") this.running = message.trial ? message : null;
    else if (message.kind === "detail" && message.row === this.selected) this.details(message);
    this.later();
  }

  // Draw soon: all, or one chart where nothing else has changed.
  later(pane = null) {
    for (const one of pane ? [pane] : this.panes) one.due = true;
    this.stale ||= !pane;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; if (!this.ending.signal.aborted) this.draw(); });
  }

  scales = name => {
    if (!this.cached.has(name)) {
      const values = this.trials.columns.get(name) ?? [], axis = this.about.axes[name];
      const numbers = values.filter(isNumber);
      let low = Infinity, high = 0;
      for (const value of numbers) { low = Math.min(low, value); high = Math.max(high, value); }
      const log = axis ? axis.log : low > 0 && high / low >= 30;
      this.cached.set(name, scaleOf(values, log, axis?.values));
    }
    return this.cached.get(name);
  };

  draw() {
    const { trials, about } = this;
    if (this.fresh) { this.cached.clear(); this.fresh = false; }
    if (this.sort === null && about.target) { this.sort = about.target; this.descending = about.maximize; }
    if (this.stale) trials.arrange(this.sort, this.descending, this.scales);
    const { stale } = this;
    this.stale = false;
    const target = trials.columns.get(about.target) ?? [];
    let least = Infinity;
    this.best = [];
    target.forEach((value, i) => {
      const cost = about.maximize ? -value : value;
      if (value !== null && cost < least) { least = cost; this.best.push(i); }
    });
    this.finding.textContent = about.finding;
    this.content.hidden = !trials.count && !this.running;
    if (this.content.hidden) return;
    const modes = [...about.params.map(name => [`by ${name}`, `${about.titles[about.target] ?? "target"} by ${name}`]),
      ["trials", "best so far"], ["parallel", "parallel coordinates"], ["curves", "curves of all trials"]];
    this.panes.forEach((pane, n) => {
      const key = modes.map(([mode, text]) => mode + text).join();
      if (pane.key !== key) {
        const before = pane.select.value;
        pane.select.replaceChildren(...modes.map(([mode, text]) => element("option", { value: mode }, text)));
        pane.select.value = modes.some(([mode]) => mode === before) ? before : n ? "trials" : modes[0][0];
        pane.key = key;
      }
      if (n && !pane.set && about.curve) pane.select.value = "curves";
      if (pane.due) setTimeout(() => this.drawPane(pane)); // each a task of its own, so that none is long
    });
    if (!stale) return;
    this.chips.replaceChildren(...[...trials.brushes].map(([name, range]) => element("button", { class: "e2e-chip", type: "button",
      "aria-label": `don't filter by ${name}`, onclick: () => { trials.brushes.delete(name); this.later(); } },
      this.scales(name)?.numeric ? `${name} ${written(range[0])} to ${written(range[1])} ×` : `${name} ×`)));
    this.shown.textContent = trials.problem || (trials.order.length === trials.count
      ? `${written(trials.count)} ${trials.count === 1 ? "row" : "rows"}` : `${written(trials.order.length)} of ${written(trials.count)} rows`);
    this.shown.dataset.rows = trials.count;
    this.scroll.style.minHeight = `${Math.min(226, (Math.max(about.total, trials.count) + 1) * ROW + 2)}px`; // it doesn't grow row by row
    this.heads();
    this.rows();
    if (!this.awaited || !trials.count) return;
    this.awaited = false; // who pressed Run sees the first rows come
    requestAnimationFrame(() => this.panel.scrollIntoView({ block: "nearest" }));
  }

  drawPane(pane) {
    if (!pane.due || this.ending.signal.aborted) return;
    pane.due = false;
    pane.chart.draw(pane.select.value, this);
    pane.caption.textContent = pane.chart.note;
    pane.plot.setAttribute("aria-label", `${pane.select.selectedOptions[0]?.text}: ${this.about.finding}. ` +
      "Left and right go from trial to trial, Enter chooses.");
    this.mark();
  }

  heads() {
    const { about, trials } = this;
    const target = about.metrics.filter(name => name === about.target), rest = about.metrics.filter(name => name !== about.target);
    const names = ["trial", ...about.params, ...target, "state", ...rest].filter(name => trials.columns.has(name));
    const key = `${names.map(name => about.titles[name])}${this.sort}${this.descending}`;
    if (this.names && key === this.headKey) return;
    this.names = names;
    this.headKey = key;
    const focused = document.activeElement?.dataset?.sort;
    this.head.replaceChildren(...names.map(name => {
      const sorted = this.sort === name, sign = sorted ? (this.descending ? " ▾" : " ▴") : "";
      return element("th", { scope: "col", "aria-sort": sorted ? (this.descending ? "descending" : "ascending") : null },
        element("button", { type: "button", "data-sort": name, onclick: () => {
          this.descending = sorted ? !this.descending : name === about.target && about.maximize;
          this.sort = name;
          this.scroll.scrollTop = 0;
          this.later();
        } }, `${about.titles[name] ?? name}${sign}`));
    }));
    if (focused) this.head.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
  }

  // Only the rows in sight are elements; what is above and below them is empty height.
  rows() {
    const { trials } = this, { order } = trials;
    const from = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - AHEAD);
    const to = Math.min(order.length, from + Math.ceil((this.scroll.clientHeight || 240) / ROW) + 2 * AHEAD);
    const space = many => element("tr", { "aria-hidden": "true", class: "e2e-space", style: `height:${many * ROW}px` });
    this.table.setAttribute("aria-rowcount", order.length + 1);
    this.body.replaceChildren(space(from), ...order.slice(from, to).map((i, n) => {
      const row = element("tr", { "aria-rowindex": from + n + 2, "data-row": i, "aria-selected": i === this.selected ? "true" : "false",
        class: i === this.best.at(-1) ? "e2e-first" : "", title: trials.errors.get(i) ?? null },
        ...this.names.map(name => element("td", { class: name === "state" && trials.columns.get(name)[i] !== "complete" ? "e2e-bad" : null },
          written(trials.columns.get(name)[i]))));
      return row;
    }), space(order.length - to));
  }

  mark() { for (const { chart } of this.panes) chart.mark([this.selected, this.hovered].filter(i => i !== null)); }

  hover(i, x, y) {
    if (i !== this.hovered) { this.hovered = i; this.mark(); }
    this.tip.hidden = i === null;
    if (i === null) return;
    const { about, trials } = this, of = name => written(trials.columns.get(name)?.[i]);
    this.tip.replaceChildren(element("b", {}, `trial ${of("trial")}`), about.target ? ` · ${about.titles[about.target] ?? about.target} ${of(about.target)}` : "",
      ...about.params.map(name => element("div", {}, `${name} = ${of(name)}`)));
    const box = this.el.getBoundingClientRect();
    this.tip.style.left = `${Math.max(0, Math.min(x - box.left + 14, box.width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${y - box.top + 14}px`;
  }

  at(pane, event) {
    const box = pane.plot.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pointed(pane, event) {
    const [x, y] = this.at(pane, event);
    if (this.brushing) { this.brush(pane, y); return; }
    const near = pane.chart.axes?.some(axis => Math.abs(axis.x - x) < 10);
    pane.plot.style.cursor = near ? "ns-resize" : "pointer";
    this.hover(near ? null : pane.chart.hit(x, y), event.clientX, event.clientY);
  }

  pressed(pane, event) {
    const [x, y] = this.at(pane, event);
    const axis = pane.chart.axes?.find(one => Math.abs(one.x - x) < 10);
    if (!axis) return;
    this.brushing = { name: axis.name, y };
    pane.plot.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  brush(pane, y) {
    const [, top, , height] = pane.chart.inner, place = at => Math.min(1, Math.max(0, 1 - (at - top) / height));
    const [from, to] = [place(this.brushing.y), place(y)].sort((a, b) => a - b);
    if (to - from < 0.02) this.trials.brushes.delete(this.brushing.name);
    else this.trials.brushes.set(this.brushing.name, this.scales(this.brushing.name).range(from, to));
    this.later();
  }

  released(pane, event) {
    if (this.brushing) { this.brush(pane, this.at(pane, event)[1]); this.brushing = null; return; }
    const i = pane.chart.hit(...this.at(pane, event));
    if (i !== null) this.choose(i);
  }

  stepped(pane, event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Enter" && this.reached !== null) this.choose(this.reached);
    if (!step) return;
    const rows = pane.chart.across();
    if (!rows.length) return;
    event.preventDefault();
    event.stopPropagation();
    const now = rows.indexOf(this.reached), i = this.reached = rows[now < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, now + step))];
    const box = pane.plot.getBoundingClientRect(), points = pane.chart.pointsOf(i);
    this.hover(i, box.left + points[0], box.top + points[1]);
  }

  key(event) {
    const { order } = this.trials, now = order.indexOf(this.selected);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -order.length, End: order.length }[event.key];
    if (event.target !== this.scroll || !step || !order.length) return;
    event.preventDefault();
    event.stopPropagation();
    const place = Math.min(order.length - 1, Math.max(0, now < 0 ? 0 : now + step));
    this.choose(order[place]);
    const top = place * ROW, { scrollTop, clientHeight } = this.scroll;
    if (top < scrollTop) this.scroll.scrollTop = top;
    if (top + 2 * ROW > scrollTop + clientHeight) this.scroll.scrollTop = top + 2 * ROW - clientHeight;
  }

  choose(i) {
    this.selected = i;
    this.detail.hidden = i === null;
    for (const row of this.body.querySelectorAll("[data-row]")) row.setAttribute("aria-selected", String(Number(row.dataset.row) === i));
    this.mark();
    if (i === null) return;
    this.details({ curves: {}, epoch: [], prints: null, error: this.trials.errors.get(i) ?? "" });
    this.model.send({ detail: i });
  }

  details({ curves, epoch, prints, error }) {
    const { trials, about } = this, i = this.selected, of = name => written(trials.columns.get(name)[i]);
    const close = element("button", { type: "button", class: "e2e-close", "aria-label": "close the trial", onclick: () => { this.choose(null); this.scroll.focus(); } }, "×");
    const title = element("b", {}, `trial ${of("trial")}, ${of("state")}: ${about.params.map(name => `${name} = ${of(name)}`).join(", ")}`);
    const drawn = Object.entries(curves).map(([name, values]) => small(name, epoch, values));
    this.detail.replaceChildren(element("div", { class: "e2e-detail-title" }, title, close),
      ...(error ? [element("div", { class: "e2e-detail-error" }, error)] : []),
      ...(drawn.length ? [element("div", { class: "e2e-detail-curves" }, ...drawn)] : []),
      ...(prints === null ? [] : [element("pre", { tabindex: 0, "aria-label": "what the trial printed" }, prints || "it printed nothing")]));
    this.detail.scrollIntoView({ block: "nearest" });
  }
}

// A small curve of what one trial logged, with its first and last value in words.
function small(name, epoch, values) {
  const space = "http://www.w3.org/2000/svg", across = scaleOf(epoch), up = scaleOf(values);
  const points = values.map((value, n) => [across.at(epoch[n]), up ? up.at(value) : NaN]).filter(([x, y]) => !Number.isNaN(x + y));
  const svg = document.createElementNS(space, "svg"), line = document.createElementNS(space, "polyline");
  svg.setAttribute("viewBox", "0 0 160 50");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("points", points.map(([x, y]) => `${(x * 160).toFixed(1)},${((1 - y) * 50).toFixed(1)}`).join(" "));
  svg.append(line);
  const known = values.filter(value => value !== null);
  return element("figure", {}, svg, element("figcaption", {}, `${name}: ${written(known[0])} to ${written(known.at(-1))}`));
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
