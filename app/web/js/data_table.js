// Structured data as tables: an object as names and values, a list of objects as rows.

import { el } from "./dom.js";

const DEEPEST = 5;
const simple = (value) => value === null || typeof value !== "object";

export function dataTable(value, caption, depth = 0) {
  if (simple(value)) return plain(value);
  if (depth >= DEEPEST) return el("code", {}, JSON.stringify(value));
  if (!Array.isArray(value)) return pairs(value, caption, depth);
  if (value.length === 0) return plain(null);
  if (value.every((one) => !simple(one) && !Array.isArray(one))) return rows(value, caption, depth);
  return el("ul", {}, value.map((one) => el("li", {}, dataTable(one, null, depth + 1))));
}

function plain(value) {
  if (value === null || value === "") return el("span", { className: "mute" }, "not given");
  return el("span", {}, typeof value === "boolean" ? (value ? "yes" : "no") : String(value));
}

function pairs(object, caption, depth) {
  return el("table", { className: "data" },
    caption && el("caption", { className: "visually-hidden" }, caption),
    el("tbody", {}, Object.entries(object).map(([name, value]) => el("tr", {},
      el("th", { scope: "row" }, spoken(name)), el("td", {}, dataTable(value, null, depth + 1))))));
}

function rows(list, caption, depth) {
  const columns = [...new Set(list.flatMap((one) => Object.keys(one)))];
  return el("table", { className: "data" },
    caption && el("caption", { className: "visually-hidden" }, caption),
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, spoken(name))))),
    el("tbody", {}, list.map((one) => el("tr", {},
      columns.map((name) => el("td", {}, dataTable(one[name] ?? null, null, depth + 1)))))));
}

/** `invoice_number` as a person writes it. */
function spoken(name) {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
