"use strict";
// The page as a whole: explanations on hover and focus, light and dark, the mechanism's contrast, links, paper.
(() => {
  const root = document.documentElement;

  const tip = Poma.el("div", { id: "tip", className: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  const explain = (node) => {
    tip.textContent = node.dataset.tip;
    tip.hidden = false;
    node.setAttribute("aria-describedby", "tip");
    const at = node.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const below = at.bottom + 8 + own.height < innerHeight;
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - own.width - 8))}px`;
    tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - own.height - 8)}px`;
  };
  const quiet = () => {
    tip.hidden = true;
    document.querySelectorAll('[aria-describedby="tip"]').forEach((node) => node.removeAttribute("aria-describedby"));
  };
  const tipped = (event) => (event.target instanceof Element ? event.target.closest("[data-tip]") : null);
  for (const [enter, leave] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    document.addEventListener(enter, (event) => { const node = tipped(event); if (node) explain(node); });
    document.addEventListener(leave, (event) => { if (tipped(event)) quiet(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") quiet(); });
  // The explanation goes along with its node while the page is scrolled to it.
  document.addEventListener("scroll", () => {
    const node = document.querySelector('[aria-describedby="tip"]');
    if (node?.matches(":hover, :focus")) explain(node);
    else quiet();
  }, { passive: true });

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const toggle = document.getElementById("theme");
  const redraw = () => {
    if (toggle) toggle.textContent = isDark() ? "Light" : "Dark";
    document.dispatchEvent(new Event("poma:theme"));
  };
  toggle?.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; redraw(); });
  dark.addEventListener("change", redraw);
  if (toggle) { toggle.hidden = false; redraw(); }

  const choice = document.getElementById("mechanism-contrast");
  const choose = () => document.querySelectorAll(".mechanism").forEach((panel, i) => {
    panel.hidden = i !== choice.selectedIndex;
  });
  if (choice) {
    choice.parentElement.hidden = false;
    choice.addEventListener("change", choose);
    choose();
  }

  // Folded parts are wanted on paper, which is light, but for those that say again what stands elsewhere; a link into a
  // folded part opens it.
  let theme;
  window.addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    document.dispatchEvent(new Event("poma:theme"));
    document.querySelectorAll("details:not(.on-screen):not([open])").forEach((d) => {
      d.open = true;
      d.dataset.was = "shut";
    });
  });
  window.addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    document.dispatchEvent(new Event("poma:theme"));
    document.querySelectorAll("details[data-was]").forEach((d) => { d.open = false; delete d.dataset.was; });
  });
  const reveal = () => {
    const name = location.hash.slice(1);
    const gene = new URLSearchParams(name).get("gene");
    if (gene) { Poma.openGene?.(gene); return; }
    const target = name && document.getElementById(name);
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();
})();
