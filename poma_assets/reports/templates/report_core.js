"use strict";
// What the parts of a report's script share: elements, numbers as people read them, safe CSV. The parts are joined in
// the order of rendering.SCRIPT_PARTS. All text goes through textContent: names are never read as markup.
const Poma = {};

Poma.el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

Poma.svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

Poma.isEmpty = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);

Poma.compare = (a, b, sign) => {
  if (Poma.isEmpty(a) || Poma.isEmpty(b)) return Poma.isEmpty(a) - Poma.isEmpty(b);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
};

Poma.minus = (text) => text.replace(/-/g, "\u2212");

Poma.fixed = (value, digits) => {
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return Poma.minus(/[1-9]/.test(text) ? text : text.replace("-", ""));
};

// Kinds: text, change (up, down, no), p, and number with its decimals.
Poma.show = (value, kind) => {
  if (kind === "change") return { up: "\u25B2 higher", down: "\u25BC lower" }[value] || "";
  if (Poma.isEmpty(value)) return "\u2013";
  if (kind.startsWith("number")) return Poma.fixed(value, Number(kind.slice(6)));
  if (kind === "p" && value >= 0.001) return value.toFixed(3);
  if (kind === "p") return Poma.minus(value < 1e-4 ? value.toExponential(1) : value.toPrecision(2));
  return String(value);
};

Poma.csvCell = (value) => {
  if (Poma.isEmpty(value)) return "";
  let text = typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
  // A spreadsheet runs a cell that begins like a formula.
  if (typeof value === "string" && /^(?:[=@\uff1d\uff20\t\r\n]|[+\uff0b\uff0d-][^])/.test(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
};

Poma.download = (name, rows) => {
  const lines = rows.map((row) => row.map(Poma.csvCell).join(","));
  const url = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  const link = Poma.el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

// Colours of the page as they are now: light, dark, or those of the printed page.
Poma.colours = () => {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
};
