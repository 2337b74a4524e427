// The page's beginning: which view an address means, one at a time; each is stopped when it is left.

import { whenUnauthorised } from "./api.js";
import { askForKey } from "./dialogs.js";
import { batchesView, batchView } from "./batches.js";
import { button, el, trouble } from "./dom.js";
import { documentView } from "./document.js";
import { documentsView } from "./documents.js";
import { guardThePage } from "./uploads.js";

const VIEWS = [
  { address: /^#\/d\/([0-9a-f]{24})$/, show: documentView, nav: "documents", title: "Document" },
  { address: /^#\/b\/([\w-]{1,64})$/, show: batchView, nav: "batches", title: "Batch" },
  { address: /^#\/batches$/, show: batchesView, nav: "batches", title: "Batches" },
  { address: /^/, show: documentsView, nav: "documents", title: "Documents" },
];
const main = document.getElementById("main");
let leave = new AbortController();

async function open(moved) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const view = VIEWS.find(({ address }) => address.test(location.hash));
  const [, id] = view.address.exec(location.hash);
  document.title = `${view.title} · Full-RAG`;
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === view.nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  try {
    await view.show(main, { id, signal });
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    main.replaceChildren(el("h1", { tabIndex: -1 }, view.title), trouble(error,
      button("Try again", () => open(true)), button("All documents", () => { location.hash = "#/"; }, { className: "quiet" })));
  }
  if (signal.aborted) return;
  main.removeAttribute("aria-busy");
  if (moved && !document.querySelector("dialog[open]")) main.querySelector("h1")?.focus();
}

let asked = null;
whenUnauthorised((problem) => {
  if (asked === leave) return; // once a view: who said no to the question is not asked at every look
  asked = leave;
  askForKey(() => open(true), problem);
});
document.getElementById("key-button").addEventListener("click", () => askForKey(() => open(true)));
window.addEventListener("hashchange", () => open(true));
guardThePage();
open(false);
