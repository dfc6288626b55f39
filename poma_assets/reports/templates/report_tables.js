"use strict";
// Tables of the page that are sorted by a click on their headings.
(() => {
  // Turns headings into buttons; onSort gets the column and the direction.
  Poma.sortable = (heads, onSort) => {
    heads.forEach((th, i) => {
      const button = Poma.el("button", { type: "button", title: "Sort" }, ...th.childNodes);
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = th.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        onSort(i, down ? -1 : 1);
      });
    });
  };

  const plainTable = (table) => {
    const value = (row, i) => {
      const raw = row.cells[i].dataset.v ?? row.cells[i].textContent.trim();
      return raw !== "" && Number.isFinite(Number(raw)) ? Number(raw) : raw;
    };
    Poma.sortable([...table.tHead.rows[0].cells], (i, sign) => {
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => Poma.compare(value(a, i), value(b, i), sign));
      table.tBodies[0].replaceChildren(...rows);
    });
  };

  document.querySelectorAll("table.sortable").forEach(plainTable);
})();
