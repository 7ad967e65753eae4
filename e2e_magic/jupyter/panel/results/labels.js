// Names for the controls of the panel around the results, which the widgets' own library leaves without.

function nameControls(panel) {
  for (const row of panel.querySelectorAll(".e2e-param")) {
    const name = row.querySelector("b")?.textContent ?? "";
    for (const slider of row.querySelectorAll(".noUi-target")) {
      const handles = slider.querySelectorAll(".noUi-handle"), one = slider.closest(".e2e-param-to") ? "to" : "from";
      handles.forEach((handle, n) => label(handle, `${name}: ${handles.length > 1 ? ["from", "to"][n] : one}`));
    }
    for (const part of row.querySelectorAll(".widget-readout, input, select")) label(part, `values of ${name}`);
  }
  const parts = { "e2e-repeat": "repeats", "e2e-target": "target", "e2e-engine": "engine of the workers", "e2e-trials": "trials", "e2e-order": "order",
    "e2e-add-name": "another parameter", "e2e-path": "file of the export" };
  for (const [mark, text] of Object.entries(parts)) {
    for (const part of panel.querySelectorAll(`.${mark} :is(input, select)`)) label(part, text);
  }
  const fold = panel.querySelector(".e2e-fold"), settings = panel.querySelector(".e2e-settings");
  if (!fold || !settings) return;
  label(fold, "settings");
  set(fold, "aria-expanded", String(settings.style.display !== "none"));
  const bar = panel.querySelector(".e2e-progress .progress-bar");
  if (bar) {
    label(bar.closest(".e2e-progress"), "progress of the sweep");
    set(bar.closest(".e2e-progress"), "role", "progressbar");
    set(bar.closest(".e2e-progress"), "aria-valuenow", String(parseInt(bar.style.width) || 0));
  }
}

function set(part, name, value) { if (part.getAttribute(name) !== value) part.setAttribute(name, value); }

function label(part, text) { set(part, "aria-label", text); }

// Name them now and whenever one comes, the settings fold or the progress grows; keep the focus in the panel.
function keepNamed(panel) {
  nameControls(panel);
  const watch = new MutationObserver(() => nameControls(panel)), unwatch = keepFocused(panel);
  const settings = panel.querySelector(".e2e-settings");
  if (settings) watch.observe(settings, { childList: true, subtree: true, attributes: true, attributeFilter: ["style"] });
  const bar = panel.querySelector(".e2e-progress .progress-bar");
  if (bar) watch.observe(bar, { attributes: true, attributeFilter: ["style"] });
  return () => { watch.disconnect(); unwatch(); };
}

// From a button that can't be pressed any more the focus goes to one that can, not to the top of the page.
function keepFocused(panel) {
  let last = null;
  const heard = event => { last = event.target.closest("button"); };
  const watch = new MutationObserver(() => {
    if (!last?.disabled || ![document.body, last].includes(document.activeElement)) return;
    [...last.parentElement.children].find(one => one.matches("button:enabled"))?.focus();
  });
  panel.addEventListener("focusin", heard);
  watch.observe(panel, { subtree: true, attributes: true, attributeFilter: ["disabled"] });
  return () => { watch.disconnect(); panel.removeEventListener("focusin", heard); };
}
