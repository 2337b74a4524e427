// Results are written by a model that read a stranger's document: nobody's markup is trusted.
//
// marked makes HTML of Markdown, DOMPurify keeps the few harmless elements of it. What comes back is a
// fragment, not a string. Pictures are not loaded: their addresses could tell somebody who is reading.

import { marked } from "../vendor/marked.esm.js";
import "../vendor/purify.min.js";
import { el } from "./dom.js";

const purify = globalThis.DOMPurify;
const ALLOWED = {
  ALLOWED_TAGS: ["h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code",
    "strong", "em", "b", "i", "del", "s", "sub", "sup", "table", "thead", "tbody", "tr", "th", "td", "a"],
  ALLOWED_ATTR: ["href", "title", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("target", "_blank");
});

marked.use({
  gfm: true,
  renderer: { image: ({ text }) => (text ? `[picture: ${text.replace(/[<>&"]/g, "")}]` : "") },
  walkTokens(token) {
    if (token.type === "heading") token.depth = Math.min(token.depth + 2, 6); // below the page's own
  },
});

/** `text` as a fragment that is safe to show. */
export function rendered(text) {
  const fragment = purify.sanitize(marked.parse(text, { async: false }), ALLOWED);
  for (const table of fragment.querySelectorAll("table")) scrollable(table, "Table");
  for (const block of fragment.querySelectorAll("pre")) block.tabIndex = 0;
  return fragment;
}

/** What may be wider than the screen scrolls by itself, with the keyboard too. */
export function scrollable(wide, name) {
  const box = el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": name });
  wide.replaceWith(box);
  box.append(wide);
  return box;
}
