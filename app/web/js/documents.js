// The first view: upload, and the documents so far, newest first, with filters.

import { json } from "./api.js";
import { button, el, trouble } from "./dom.js";
import { Live } from "./live.js";
import { Rows } from "./rows.js";
import { uploader } from "./uploads.js";
import { LABELS } from "./words.js";

const PAGE = 50;
const MOST = 200; // that the server gives at once
const AGES = { "": "Any time", 1: "Last 24 hours", 7: "Last 7 days", 30: "Last 30 days" };
const A_DAY_MS = 86_400_000;
const TYPING_MS = 250;

export async function documentsView(main, { signal }) {
  const list = new DocumentList(signal);
  const live = new Live(list.rows, () => list.refresh(), signal);
  const onAccepted = async () => {
    await list.refresh();
    live.follow();
  };
  main.replaceChildren(
    el("h1", { tabIndex: -1, className: "visually-hidden" }, "Documents"),
    uploader(onAccepted),
    el("section", { "aria-labelledby": "list-title" },
      el("div", { className: "list-head" }, el("h2", { id: "list-title" }, "Your documents"), list.filters()),
      list.node));
  await list.refresh();
  live.run();
}

/** Documents with `fixed` and chosen filters, page by page. */
export class DocumentList {
  constructor(signal, fixed = {}) {
    this._signal = signal;
    this._fixed = fixed;
    this._chosen = {};
    this._cursor = null;
    this._asked = 0;
    this.rows = new Rows(() => this.refresh());
    this._more = button("Show more", () => this._showMore(), { hidden: true });
    this._note = el("div", {});
    this.node = el("div", { className: "list" }, this._note, this.rows.node, el("p", { className: "more" }, this._more));
  }

  filters() {
    let typing;
    const choose = (name, value) => {
      this._chosen[name] = value;
      this._cursor = null;
      this.rows.show([]);
      this.refresh();
    };
    const name = el("input", { type: "search", id: "by-name", placeholder: "Name", autocomplete: "off",
      oninput: () => { clearTimeout(typing); typing = setTimeout(() => choose("name", name.value.trim()), TYPING_MS); } });
    const select = (id, key, options) => el("select", { id, onchange: (event) => choose(key, event.target.value) },
      options.map(([value, text]) => el("option", { value }, text)));
    const labelled = (text, field) => el("div", { className: "filter" },
      el("label", { htmlFor: field.id, className: "visually-hidden" }, text), field);
    return el("div", { className: "filters", role: "search", "aria-label": "Filter documents" },
      labelled("Name holds", name),
      labelled("Status", select("by-status", "status", [["", "Any status"], ...Object.entries(LABELS)])),
      labelled("Uploaded", select("by-age", "age", Object.entries(AGES).sort(([a], [b]) => a - b))));
  }

  /** The newest again, as many as are shown. */
  async refresh() {
    const shown = this.rows.files;
    const limit = Math.min(MOST, Math.max(PAGE, shown.length));
    await this._ask({ limit }, (answer) => {
      const older = shown.length > limit ? shown.slice(limit) : [];
      const ids = new Set(answer.files.map((file) => file._id));
      this.rows.show([...answer.files, ...older.filter((file) => !ids.has(file._id))]);
      if (older.length === 0) this._cursor = answer.next_cursor;
    });
  }

  async _showMore() {
    const before = this.rows.files;
    await this._ask({ limit: PAGE, cursor: this._cursor }, (answer) => {
      this.rows.show([...before, ...answer.files]);
      this._cursor = answer.next_cursor;
      this.rows.node.children[before.length]?.querySelector("a")?.focus();
    });
  }

  async _ask(more, use) {
    const turn = ++this._asked;
    try {
      const answer = await json(`files?${this._query(more)}`, { signal: this._signal });
      if (turn !== this._asked) return; // somebody asked again meanwhile
      use(answer);
      this._note.replaceChildren(...(this.rows.files.length === 0 ? [this._empty()] : []));
      this._more.hidden = this._cursor === null;
    } catch (error) {
      if (error.name !== "AbortError") this._tell(error);
    }
  }

  /** Once, not at every look. */
  _tell(error) {
    if (this._note.dataset.told === error.message && this._note.querySelector(".bad")) return;
    this._note.dataset.told = error.message;
    this._note.replaceChildren(trouble(error, button("Try again", () => this.refresh())));
  }

  _query(more) {
    const { age, ...chosen } = this._chosen;
    const created = age ? { created_after: new Date(Date.now() - age * A_DAY_MS).toISOString() } : {};
    const wanted = Object.entries({ ...this._fixed, ...chosen, ...created, ...more }).filter(([, value]) => value);
    return new URLSearchParams(wanted);
  }

  _empty() {
    const filtered = Object.values(this._chosen).some(Boolean);
    return el("div", { className: "empty" },
      el("p", { className: "empty-lead" }, filtered ? "No document fits these filters" : "No documents yet"),
      el("p", { className: "mute" }, filtered ? "Try another name, status or time." :
        "Upload a resume, an invoice or a report. You can watch it being read, and find it here later."));
  }
}
