"use strict";
// The genes of a contrast: volcano, MA plot, the engines against each other, and the table; one search serves all.
(() => {
  const PAGE = 25;
  const MOST_MARKED = 30;
  const { el, show } = Poma;
  const STYLES = {
    no: { colour: "point", shape: "dot", radius: 1.4, alpha: 0.5 },
    down: { colour: "down", shape: "down", radius: 3, alpha: 0.75 },
    up: { colour: "up", shape: "up", radius: 3, alpha: 0.75 },
  };
  const AGREEMENT_STYLES = {
    not_comparable: STYLES.no,
    neither: STYLES.no,
    both_significant: { colour: "confirmed", shape: "circle", radius: 2.6, alpha: 0.7 },
    edger_only: { colour: "inconclusive", shape: "up", radius: 3.4, alpha: 0.9 },
    deseq2_only: { colour: "link", shape: "square", radius: 2.6, alpha: 0.9 },
    opposite: { colour: "contradicted", shape: "down", radius: 4, alpha: 1 },
  };
  const quantile = (values, share) => {
    const sorted = Float64Array.from(values.filter((v) => Number.isFinite(v))).sort();
    return sorted.length ? sorted[Math.floor((sorted.length - 1) * share)] : 0;
  };
  // Axes end where nearly all genes lie; the few beyond are drawn at the edge.
  const around = (values) => {
    const most = Math.max(1, 1.25 * quantile(values.map(Math.abs), 0.9995));
    return [-most, most];
  };

  const makeTools = (hasAgreement) => {
    const search = el("input", { type: "search", placeholder: "Gene or id" });
    search.setAttribute("aria-label", "Search a gene: marks it in the plots and filters the table");
    const choices = [["", "all genes"], ["both", "significant"], ["up", "higher in target"],
      ["down", "lower in target"]];
    if (hasAgreement) choices.push(["differ", "engines differ"]);
    const select = el("select", {}, ...choices.map(([value, textContent]) => el("option", { value, textContent })));
    select.setAttribute("aria-label", "Filter by change");
    const save = el("button", { type: "button", textContent: "Download CSV" });
    const back = el("button", { type: "button", textContent: "\u2039" });
    const on = el("button", { type: "button", textContent: "\u203A" });
    back.setAttribute("aria-label", "Previous page");
    on.setAttribute("aria-label", "Next page");
    const status = el("span", { className: "status" });
    status.setAttribute("role", "status");
    return { search, select, save, back, on, status };
  };

  const drawPlots = (host, data, settings, describe, pick) => {
    const { log2_fold_change: effect, p_value: p, base_mean: mean, edger_log2_fold_change: edger } = data.columns;
    const change = data.columns.class;
    const plots = [];
    const plot = (name, spec) => {
      const place = host.querySelector(`[data-plot="${name}"]`);
      if (place) plots.push(Poma.scatter(place, { describe, pick, group: change, styles: STYLES, ...spec }));
    };
    const tested = effect && p;
    if (tested) {
      const height = p.map((value) => -Math.log10(Math.max(value, 1e-300)));
      const guides = [{ x: settings.lfc }, { x: -settings.lfc }];
      const passing = p.filter((_, i) => data.columns.p_adjusted?.[i] < settings.fdr);
      if (passing.length) guides.push({ y: -Math.log10(Math.max(passing.reduce((a, b) => Math.max(a, b)), 1e-300)) });
      plot("volcano", {
        x: effect, y: height, xRange: around(effect),
        yRange: [-0.02, 1.08 * height.reduce((a, b) => (b > a ? b : a), 2)],
        xLabel: "log2 fold change", yLabel: "\u2212log10 p", guides, alt: `Volcano plot of ${settings.name}`,
      });
    }
    if (tested && mean) {
      const logMean = mean.map((value) => (value > 0 ? Math.log10(value) : NaN));
      plot("ma", {
        x: logMean, y: effect, yRange: around(effect), xLabel: "mean count", yLabel: "log2 fold change",
        tickText: { x: (tick) => (Number.isInteger(tick) ? (10 ** tick).toLocaleString("en") : "") },
        guides: [{ y: 0 }], alt: `MA plot of ${settings.name}`,
      });
    }
    if (effect && edger && data.columns.agreement) {
      plot("agreement", {
        x: effect, y: edger, group: data.columns.agreement, styles: AGREEMENT_STYLES, xRange: around(effect),
        yRange: around(edger), xLabel: "log2 fold change by DESeq2", yLabel: "log2 fold change by edgeR",
        guides: [{ x: 0 }, { y: 0 }], alt: `Fold changes of ${settings.name} by edgeR against DESeq2`,
      });
    }
    return plots;
  };

  const explore = async (host) => {
    const settings = JSON.parse(host.dataset.settings);
    const [names, data] = await Promise.all([Poma.block("gene-names"), Poma.block(settings.block)]);
    const table = host.querySelector("table");
    const columns = settings.columns;
    const gene = data.columns.gene;
    const value = (i, key) =>
      key === "gene_name" || key === "gene_id" ? names.columns[key][gene[i]] : data.columns[key][i];
    const rows = Array.from({ length: data.rows }, (_, i) => i);
    const lower = rows.map((i) => `${value(i, "gene_name")}\n${value(i, "gene_id")}`.toLowerCase());
    const tools = makeTools(Boolean(data.columns.agreement));
    const { search, select, save, back, on, status } = tools;
    host.querySelector(".tools").replaceChildren(search, select, save, status, back, on);
    let chosen = rows, page = 0, order = null;

    const describe = (i) => [
      value(i, "gene_name"),
      ...columns.filter((c) => ["log2_fold_change", "base_mean", "p_value", "p_adjusted"].includes(c.key))
        .map((c) => `${c.label} ${show(value(i, c.key), c.kind)}`),
    ];
    const pick = (i) => {
      search.value = value(i, "gene_name");
      apply();
    };
    const plots = drawPlots(host, data, settings, describe, pick);

    const cell = (i, column) => {
      const text = show(value(i, column.key), column.kind);
      const textClass = column.key === "gene_id" ? "mono" : "name";
      const td = el("td", { className: { text: textClass, change: "" }[column.kind] ?? "n" });
      if (column.key === "gene_name" && document.getElementById("gene-view")) {
        td.append(el("a", { href: `#gene=${encodeURIComponent(value(i, "gene_id"))}`, textContent: text }));
      } else td.textContent = text;
      return td;
    };
    const draw = () => {
      const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
      page = Math.min(Math.max(page, 0), pages - 1);
      const from = page * PAGE;
      table.tBodies[0].replaceChildren(...chosen.slice(from, from + PAGE).map((i) =>
        el("tr", {}, ...columns.map((column) => cell(i, column)))));
      const [first, last, all] = [from + 1, Math.min(from + PAGE, chosen.length), chosen.length]
        .map((number) => number.toLocaleString("en"));
      status.textContent = chosen.length ? `${first}\u2013${last} of ${all}` : "no gene matches";
      back.disabled = page === 0;
      on.disabled = page === pages - 1;
    };
    // Marked in the plots: what was searched for, exact symbols before parts of them; otherwise the judged markers.
    const toMark = (wanted) => {
      const label = (i) => [i, value(i, "gene_name")];
      if (!wanted) {
        const known = new Map(rows.map((i) => [value(i, "gene_name"), i]));
        const symbols = settings.labels.filter((symbol) => known.has(symbol));
        const markers = symbols.map((symbol) => [known.get(symbol), symbol]);
        return markers.length ? markers : rows.filter((i) => value(i, "class") !== "no").slice(0, 10).map(label);
      }
      const exact = rows.filter((i) => lower[i].split("\n").includes(wanted));
      return (exact.length ? exact : chosen).slice(0, MOST_MARKED).map(label);
    };
    const apply = () => {
      const wanted = search.value.trim().toLowerCase();
      const side = select.value;
      const change = data.columns.class, agreement = data.columns.agreement;
      const fits = {
        "": () => true,
        both: (i) => change[i] !== "no",
        up: (i) => change[i] === "up",
        down: (i) => change[i] === "down",
        differ: (i) => ["deseq2_only", "edger_only", "opposite"].includes(agreement[i]),
      }[side];
      chosen = rows.filter((i) => (!wanted || lower[i].includes(wanted)) && fits(i));
      if (order) chosen.sort((a, b) => Poma.compare(value(a, order[0]), value(b, order[0]), order[1]));
      page = 0;
      draw();
      const points = toMark(wanted);
      plots.forEach((plot) => plot.mark(points));
    };
    search.addEventListener("input", apply);
    select.addEventListener("change", apply);
    back.addEventListener("click", () => { page -= 1; draw(); });
    on.addEventListener("click", () => { page += 1; draw(); });
    save.addEventListener("click", () => Poma.download(settings.file, [
      columns.map((c) => c.key), ...chosen.map((i) => columns.map((c) => value(i, c.key)))]));
    Poma.sortable([...table.tHead.rows[0].cells], (i, sign) => { order = [columns[i].key, sign]; apply(); });
    apply();
    host.dataset.ready = "yes";
  };

  const fail = (host, error) => {
    host.querySelector(".tools").replaceChildren(el("p", {
      className: "missing",
      textContent: `The plots and the whole table cannot be shown (${error.message}). ` +
        "The first genes are below; all are in study.duckdb.",
    }));
  };

  const waiting = new Set(document.querySelectorAll(".explore[data-settings]"));
  const begin = (host) => {
    if (!waiting.delete(host)) return Promise.resolve();
    return explore(host).catch((error) => fail(host, error));
  };
  const watcher = new IntersectionObserver((entries) =>
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => begin(entry.target)), { rootMargin: "800px" });
  waiting.forEach((host) => watcher.observe(host));
  // The rest is unpacked one after the other while nothing else happens, so that the page prints whole.
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 200));
  const rest = () => {
    const [host] = waiting;
    if (host) idle(() => begin(host).then(rest));
  };
  window.addEventListener("load", rest);
})();
