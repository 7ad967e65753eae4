// The list of runs: what is chosen stands above it, however far it is scrolled.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const FEW = 8; // from here on there is a box to find a run by its name

class List {
  constructor(model, el) {
    Object.assign(this, { model, el, group: `e2e-${Math.random().toString(36).slice(2)}` });
    el.classList.add("e2e-runs");
    this.picked = element("div", { class: "e2e-picked", role: "status" });
    this.find = element("input", { type: "search", placeholder: "find a run", "aria-label": "find a run", oninput: () => this.sift() });
    this.body = element("tbody");
    const heads = ["compare", "baseline", "run", "note", "measured"].map(text => element("th", { scope: "col" }, text));
    el.append(this.picked, this.find, element("div", { class: "e2e-scroll", tabindex: 0, role: "group", "aria-label": "runs" },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.body)));
    this.fill();
    model.on("change:rows", this.filled = () => this.fill());
    model.on("change:chosen change:colours", this.changed = () => this.mark());
  }

  close() {
    this.model.off("change:rows", this.filled);
    this.model.off("change:chosen change:colours", this.changed);
  }

  fill() {
    const rows = this.model.get("rows");
    this.find.hidden = rows.length <= FEW;
    this.lines = rows.map((row, place) => {
      const tick = element("input", { type: "checkbox", "aria-label": `compare ${row.name}`, onchange: () => this.tick(place, tick.checked) });
      const base = element("input", { type: "radio", name: this.group, "aria-label": `baseline ${row.name}`, onchange: () => this.base(place) });
      const dot = element("span", { class: "e2e-dot", "aria-hidden": "true" });
      const name = this.text(place, "name", row.name, `name of ${row.name}`), note = this.text(place, "description", row.note, `note on ${row.name}`);
      const cells = [element("td", {}, tick), element("td", {}, base), element("td", { class: "e2e-name" }, dot, name),
        element("td", { class: "e2e-about" }, note), element("td", { class: "e2e-when" }, row.about)];
      // A click beside the words ticks too.
      const line = element("tr", { onclick: event => { if (event.target.closest("input, .e2e-text") === null) tick.click(); } }, ...cells);
      return { line, tick, base, dot, name: row.name };
    });
    this.body.replaceChildren(...this.lines.map(({ line }) => line));
    this.sift();
    this.mark();
  }

  // A text that is written in place: Enter keeps it, Escape takes it back.
  text(place, what, shown, label) {
    // What is kept comes back from the kernel.
    const kept = () => {
      const text = field.textContent.trim();
      field.textContent = shown;
      if (text !== shown) this.model.send({ place, what, text });
    };
    const field = element("span", { class: "e2e-text", contenteditable: "plaintext-only", role: "textbox", tabindex: 0, spellcheck: "false",
      "aria-label": label, title: what === "name" ? "click to rename" : "click to write a note", onblur: kept,
      onkeydown: event => {
        event.stopPropagation(); // not a shortcut of the notebook
        if (event.key === "Escape") field.textContent = shown;
        if (event.key === "Enter" || event.key === "Escape") { event.preventDefault(); field.blur(); }
      } }, shown);
    return field;
  }

  sift() {
    const part = this.find.hidden ? "" : this.find.value.toLowerCase();
    for (const { line, name } of this.lines) line.hidden = !name.toLowerCase().includes(part);
  }

  mark() {
    const { baseline, ticked } = this.model.get("chosen"), colours = this.model.get("colours");
    this.lines.forEach(({ line, tick, base, dot }, place) => {
      base.checked = place === baseline;
      tick.checked = base.checked || ticked.includes(place);
      tick.disabled = base.checked;
      dot.style.background = colours[place] ?? "none";
      line.classList.toggle("e2e-chosen", tick.checked);
    });
    const chip = (place, ...more) => element("span", { class: "e2e-chip" }, this.lines[place].dot.cloneNode(), this.lines[place].name, ...more);
    const away = place => element("button", { type: "button", "aria-label": `leave out ${this.lines[place].name}`, onclick: () => this.tick(place, false) }, "×");
    const others = ticked.filter(place => place !== baseline);
    this.picked.replaceChildren(...others.map(place => chip(place, " ", away(place))), others.length ? " compared with " : "nothing is ticked to compare with ", chip(baseline));
  }

  tick(place, on) {
    const { baseline, ticked } = this.model.get("chosen"), others = ticked.filter(one => one !== place);
    this.send({ baseline, ticked: on ? [...others, place] : others });
  }

  base(place) {
    const { baseline, ticked } = this.model.get("chosen");
    this.send({ baseline: place, ticked: [...ticked.filter(one => one !== place && one !== baseline), baseline] });
  }

  send(chosen) {
    this.model.set("chosen", { ...chosen, ticked: chosen.ticked.sort((a, b) => a - b) });
    this.model.save_changes();
  }
}

export default {
  render({ model, el }) {
    const list = new List(model, el);
    return () => list.close();
  },
};
