"use strict";
// Sorts, filters and pages the tables. All text goes through textContent: names are never read as markup.
(() => {
  const PAGE = 25;
  const el = (tag, props = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...children);
    return node;
  };
  const empty = (v) => v === null || v === undefined || v === "";
  const compare = (a, b, sign) => {
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const minus = (s) => s.replace(/-/g, "\u2212");
  const show = (value, kind) => {
    if (kind === "change") return { up: "\u25B2 higher", down: "\u25BC lower" }[value] || "";
    if (empty(value)) return "\u2013";
    if (kind.startsWith("number")) {
      const digits = Number(kind.slice(6));
      return minus(value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
    }
    if (kind === "p") return value < 0.001 ? minus(value.toPrecision(2)) : value.toFixed(3);
    return String(value);
  };
  const csvCell = (value) => {
    if (empty(value)) return "";
    let text = String(value);
    // A spreadsheet runs a cell that begins like a formula.
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  };
  const download = (name, lines) => {
    const url = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    const link = el("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  const sortable = (heads, onSort) => {
    heads.forEach((th, i) => {
      const button = el("button", { type: "button", title: "Sort", textContent: th.textContent.trim() });
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = th.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        onSort(i, down ? -1 : 1);
      });
    });
  };

  const geneTable = (table) => {
    const { columns, rows } = JSON.parse(document.getElementById(table.dataset.genes).textContent);
    const change = columns.findIndex((c) => c.key === "class");
    const named = columns.map((c, i) => (c.kind === "text" ? i : -1)).filter((i) => i >= 0);
    let chosen = rows, page = 0, wanted = "", side = "", order = null;
    const search = el("input", { type: "search", placeholder: "Gene or id" });
    search.setAttribute("aria-label", "Filter by gene");
    const select = el("select", {},
      ...[["", "all genes"], ["both", "significant"], ["up", "higher in target"], ["down", "lower in target"]].map(
        ([value, textContent]) => el("option", { value, textContent })));
    select.setAttribute("aria-label", "Filter by change");
    const save = el("button", { type: "button", textContent: "Download CSV" });
    const back = el("button", { type: "button", textContent: "\u2039" });
    const on = el("button", { type: "button", textContent: "\u203A" });
    back.setAttribute("aria-label", "Previous page");
    on.setAttribute("aria-label", "Next page");
    const status = el("span", { className: "status" });
    table.parentNode.before(el("div", { className: "tools" }, search, select, save, status, back, on));
    const draw = () => {
      const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
      page = Math.min(Math.max(page, 0), pages - 1);
      const from = page * PAGE;
      table.tBodies[0].replaceChildren(...chosen.slice(from, from + PAGE).map((row) => el("tr", {},
        ...row.map((value, i) => el("td", {
          className: columns[i].kind === "text" ? (i ? "mono" : "name") : columns[i].kind === "change" ? "" : "n",
          textContent: show(value, columns[i].kind),
        })))));
      status.textContent = chosen.length
        ? `${from + 1}\u2013${Math.min(from + PAGE, chosen.length)} of ${chosen.length}` : "no gene matches";
      back.disabled = page === 0;
      on.disabled = page === pages - 1;
    };
    const apply = () => {
      chosen = rows.filter((row) =>
        (!wanted || named.some((i) => String(row[i] ?? "").toLowerCase().includes(wanted))) &&
        (!side || (side === "both" ? row[change] !== "no" : row[change] === side)));
      if (order) chosen.sort((a, b) => compare(a[order[0]], b[order[0]], order[1]));
      page = 0;
      draw();
    };
    search.addEventListener("input", () => { wanted = search.value.trim().toLowerCase(); apply(); });
    select.addEventListener("change", () => { side = select.value; apply(); });
    back.addEventListener("click", () => { page -= 1; draw(); });
    on.addEventListener("click", () => { page += 1; draw(); });
    save.addEventListener("click", () => download(table.dataset.file,
      [columns.map((c) => csvCell(c.key)).join(","), ...chosen.map((row) => row.map(csvCell).join(","))]));
    sortable([...table.tHead.rows[0].cells], (i, sign) => { order = [i, sign]; apply(); });
    draw();
  };

  const plainTable = (table) => {
    const value = (row, i) => {
      const raw = row.cells[i].dataset.v ?? row.cells[i].textContent.trim();
      return raw !== "" && Number.isFinite(Number(raw)) ? Number(raw) : raw;
    };
    sortable([...table.tHead.rows[0].cells], (i, sign) => {
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(value(a, i), value(b, i), sign));
      table.tBodies[0].replaceChildren(...rows);
    });
  };

  document.querySelectorAll("table[data-genes]").forEach(geneTable);
  document.querySelectorAll("table.sortable").forEach(plainTable);
  // Folded parts are wanted on paper, and a link into one opens it.
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll("details").forEach((d) => { if (!d.open) { d.open = true; d.dataset.was = "shut"; } }));
  window.addEventListener("afterprint", () =>
    document.querySelectorAll("details[data-was]").forEach((d) => { d.open = false; delete d.dataset.was; }));
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();
})();
