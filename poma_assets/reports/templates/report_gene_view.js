"use strict";
// One gene: its normalised count in every sample, by arm, and what each contrast says of it.
(() => {
  const view = document.getElementById("gene-view");
  if (!view) return;
  const { el, svg, show } = Poma;
  const MOST_HINTS = 12;
  const NO_COUNTS = "The counts of this gene are not in this page; " +
    "they are in the table normalised_expression of study.duckdb.";
  const settings = JSON.parse(view.dataset.settings);
  const input = view.querySelector("input");
  const hints = view.querySelector("datalist");
  const output = view.querySelector(".gene-output");
  const arms = [...new Set(settings.arms.map(([, arm]) => arm))];

  const load = () => Promise.all([
    Poma.block("gene-names"),
    settings.samples.length ? Poma.block("gene-expression") : { columns: { gene: [] } },
    ...settings.contrasts.map((contrast) => Poma.block(contrast.block)),
  ]);

  const find = (names, text) => {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const { gene_id: ids, gene_name: symbols } = names.columns;
    const named = (i, test) => test(symbols[i].toLowerCase()) || test(ids[i].toLowerCase());
    const fits = (test) => ids.map((_, i) => i).filter((i) => named(i, test));
    const exact = fits((name) => name === wanted);
    return exact.length ? exact : fits((name) => name.startsWith(wanted)).slice(0, MOST_HINTS);
  };

  // Dots by arm on a scale of log2(count + 1); the bar is the arm's median. On a narrow page names stand above dots.
  const drawCounts = (points) => {
    const width = Math.max(300, Math.min(output.clientWidth, 720));
    const isNarrow = width < 480;
    const [row, left, right, above] = isNarrow ? [50, 14, 24, 12] : [34, 200, 24, 0];
    const height = arms.length * row + 44;
    const log = (count) => Math.log2(count + 1);
    const most = Math.max(1, ...points.map(({ count }) => log(count)));
    const at = (count) => left + (log(count) / most) * (width - left - right);
    const figure = svg("svg", { class: "figure counts", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
      "aria-label": "Normalised counts of the gene by arm; the table below has the numbers" });
    const label = (x, y, text, anchor, cls = "") =>
      Object.assign(svg("text", { x, y, "text-anchor": anchor, class: cls }), { textContent: text });
    const step = Math.max(1, Math.ceil(most / 6));
    for (let power = 0; power <= most; power += step) {
      const count = 2 ** power - 1;
      figure.append(svg("path", { class: "gridline", d: `M${at(count)} 4V${height - 36}` }),
        label(at(count), height - 20, count.toLocaleString("en"), "middle", "tick"));
    }
    figure.append(label((left + width - right) / 2, height - 3, "normalised count", "middle", "tick"));
    arms.forEach((arm, i) => {
      const y = 4 + (i + 0.5) * row + above;
      const own = points.filter((point) => point.arm === arm).sort((a, b) => a.count - b.count);
      const words = arm.length > 32 ? arm.slice(0, 31) + "\u2026" : arm;
      const name = isNarrow ? label(0, y - 20, words, "start") : label(left - 10, y + 4, words, "end");
      name.append(Object.assign(svg("title"), { textContent: arm }));
      figure.append(name);
      if (!own.length) figure.append(label(left + 4, y + 4, "no sample in the matrix", "start", "tick"));
      own.forEach(({ count, sample }, k) => {
        const dot = svg("circle", { class: `dot g${i % 8}`, cx: at(count), cy: y + ((k % 3) - 1) * 6, r: 5 });
        dot.append(Object.assign(svg("title"), { textContent: `${sample}: ${show(count, "number1")}` }));
        figure.append(dot);
      });
      if (own.length > 1) {
        const middle = (own[Math.floor((own.length - 1) / 2)].count + own[Math.ceil((own.length - 1) / 2)].count) / 2;
        figure.append(svg("path", { class: "median", d: `M${at(middle)} ${y - 13}V${y + 13}` }));
      }
    });
    return figure;
  };

  const table = (heads, rows, caption) => el("div", { className: "scroll", tabIndex: 0 },
    el("table", {}, el("caption", { textContent: caption }),
      el("thead", {}, el("tr", {}, ...heads.map(([text, cls]) => el("th", { textContent: text, className: cls })))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((text, i) =>
        el("td", { textContent: text, className: heads[i][1] })))))));

  const contrastRows = (gene, blocks) => settings.contrasts.map((contrast, k) => {
    const { columns } = blocks[k];
    const i = columns.gene.indexOf(gene);
    const cell = (key, kind) => (i < 0 || !columns[key] ? "\u2013" : show(columns[key][i], kind));
    const state = i < 0 ? "not in this table" : (columns.status[i] || "\u2013").replace("_", " ");
    return [contrast.name, cell("class", "change") || "no", cell("log2_fold_change", "number2"),
      cell("standard_error", "number2"), cell("p_value", "p"), cell("p_adjusted", "p"),
      cell("edger_log2_fold_change", "number2"), cell("edger_p_adjusted", "p"), state];
  });

  const showGene = async (text) => {
    const [names, expression, ...blocks] = await load();
    const found = find(names, text);
    const { gene_id: ids, gene_name: symbols } = names.columns;
    const several = found.length > 1 ? found : [];
    hints.replaceChildren(...several.map((i) => el("option", { value: symbols[i], label: ids[i] })));
    if (found.length !== 1) {
      const message = !text.trim() ? "" : found.length
        ? `Several genes: ${found.map((i) => symbols[i]).join(", ")}${found.length === MOST_HINTS ? " \u2026" : ""}`
        : `No gene of this study is called \u201C${text.trim()}\u201D.`;
      output.replaceChildren(el("p", { className: "missing", textContent: message, hidden: !message }));
      return;
    }
    const [gene] = found;
    const row = expression.columns.gene.indexOf(gene);
    const arm = new Map(settings.arms);
    const points = row < 0 ? [] : settings.samples
      .map((sample, k) => ({ sample, arm: arm.get(sample) ?? "", count: expression.columns[`s${k}`][row] }))
      .filter(({ count }) => !Number.isNaN(count));
    const id = el("span", { className: "muted mono", textContent: ids[gene] });
    const title = el("h3", { textContent: symbols[gene] }, " ", id);
    const counts = points.length
      ? [drawCounts(points), el("details", {}, el("summary", { textContent: "Counts as numbers" }),
        table([["Sample", "name"], ["Arm", ""], ["Normalised count", "n"]],
          points.map((p) => [p.sample, p.arm, show(p.count, "number1")]), `Normalised counts of ${symbols[gene]}`))]
      : [el("p", { className: "missing", textContent: NO_COUNTS })];
    output.replaceChildren(title, ...counts, table(
      [["Contrast", "name"], ["Change", "whole"], ["log2 FC", "n"], ["SE", "n"], ["p", "n"], ["FDR", "n"],
        ["edgeR log2 FC", "n"], ["edgeR FDR", "n"], ["Status", ""]],
      contrastRows(gene, blocks), `${symbols[gene]} in each contrast`));
  };

  const run = (text) => showGene(text).catch((error) => {
    const textContent = `The gene cannot be shown (${error.message}).`;
    output.replaceChildren(el("p", { className: "missing", textContent }));
  });
  let timer = 0;
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => run(input.value), 120); });
  Poma.openGene = (id) => {
    input.value = id;
    run(id);
    view.scrollIntoView();
    input.focus({ preventScroll: true });
  };
  // The first judged marker is shown to begin with, as soon as somebody scrolls here.
  if (settings.first) {
    input.value = settings.first;
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      if (input.value === settings.first) run(settings.first);
    }, { rootMargin: "600px" });
    watcher.observe(view);
  }
})();
