// One document: its state, its pages, what was understood, and what can be done with it.

import { ask, blob, json } from "./api.js";
import { buttonsFor, remove } from "./actions.js";
import { dataTable } from "./data_table.js";
import { announce, button, copy, el, save, trouble } from "./dom.js";
import { follow } from "./events.js";
import { rendered, scrollable } from "./markdown.js";
import { Pages } from "./pages.js";
import { DONE, count, ended, fraction, label, lasted, moment, size, state, tone } from "./words.js";

export async function documentView(main, { id, signal }) {
  const file = await json(id, { signal });
  const view = new DocumentView(file, signal);
  main.replaceChildren(view.node);
  document.title = `${file.name} · Full-RAG`;
  view.show(file);
  view.watch();
}

class DocumentView {
  constructor(file, signal) {
    this._id = file._id;
    this._file = { revision: -1 };
    this._signal = signal;
    this._pages = new Pages(file, signal);
    this._badge = el("span");
    this._facts = el("p", { className: "mute small facts" });
    this._actions = el("div", { className: "actions" });
    this._state = el("div", { className: "progress-box" });
    this._bar = el("progress", { max: 1, "aria-label": "Progress" });
    this._trouble = el("div");
    this._answer = el("div", { className: "answer" });
    this._pagesBox = el("section", { className: "pages-box", "aria-labelledby": "pages-title", hidden: true },
      el("h2", { id: "pages-title" }, "Pages"), this._pages.node);
    this.node = el("article", { className: "document" },
      el("p", {}, el("a", { href: "#/", className: "back" }, "All documents")),
      el("div", { className: "document-head" },
        el("div", { className: "document-name" },
          el("h1", { tabIndex: -1, className: "name" }, file.name),
          el("div", { className: "facts-line" }, this._badge, this._facts)),
        this._actions),
      this._trouble, this._state,
      el("div", { className: "document-body" }, this._pagesBox, this._answer));
  }

  show(news) {
    if (news.revision < this._file.revision) return;
    const before = this._file;
    const file = { ...before, ...news };
    this._file = file;
    this._badge.textContent = label(file);
    this._badge.className = `badge ${tone(file)}`;
    this._showFacts(file);
    this._showState(file);
    const pages = file.pages ?? (file.status === "conversion complete" ? file.progress?.pages_total : 0) ?? 0;
    this._pages.show(pages);
    this._pagesBox.hidden = pages === 0;
    if (before.status !== file.status) this._showActions(file);
    if (ended(file) && "result" in news) this._showAnswer(file);
    if (before.status && before.status !== file.status) announce(`${file.name}: ${label(file)}.`);
  }

  /** Until it has ended, then once more for the result, which the stream does not carry. */
  async watch() {
    try {
      if (!ended(this._file)) {
        await follow(this._id, (news) => (news ? this.show(news) : this._deleted()), this._signal);
        if (ended(this._file)) this.show(await json(this._id, { signal: this._signal }));
      }
    } catch (error) {
      if (error.name !== "AbortError") this._trouble.replaceChildren(trouble(error));
    }
  }

  _deleted() {
    this._actions.replaceChildren();
    this._state.replaceChildren();
    this._trouble.replaceChildren(trouble({ title: "This document is gone", message: "It was deleted elsewhere." }));
  }

  _showFacts(file) {
    const took = file.ended_at ? `took ${lasted(file.created_at, file.ended_at)}` : "";
    const by = file.usage?.model ? `read by ${file.usage.model}` : "";
    const facts = [size(file.size), file.pages && count(file.pages, "page"), file.created_at && moment(file.created_at), took, by];
    this._facts.replaceChildren(facts.filter(Boolean).join(" · "));
    if (file.batch_id) this._facts.append(" · ", el("a", { href: `#/b/${file.batch_id}` }, "part of a batch"));
  }

  _showState(file) {
    if (file.status === "failed") {
      this._state.replaceChildren(el("div", { className: "notice bad" },
        el("p", {}, el("strong", {}, "It could not be analysed")),
        el("p", {}, file.error?.message ?? ""),
        el("p", {}, file.error?.retryable ? "Trying again may help." : "The same try would end the same way: change what the message names first.")));
    } else if (file.status === "cancelled") {
      this._state.replaceChildren(el("p", { className: "notice" }, "It was stopped before the end. Retry takes it up again; what was read stays."));
    } else if (file.status === DONE) {
      this._state.replaceChildren();
    } else {
      const part = fraction(file);
      if (part === null) this._bar.removeAttribute("value");
      else this._bar.value = part;
      const told = el("p", { className: "state" }, state(file));
      this._state.replaceChildren(told, this._bar);
    }
  }

  _showActions(file) {
    const focused = this._actions.contains(document.activeElement);
    this._actions.replaceChildren(
      button("Download original", () => this._run(async () => save(await blob(`${this._id}/file`), file.name)),
        { "aria-label": `Download original ${file.name}` }),
      ...buttonsFor(file, (action) => this._run(async () => {
        const done = await action(file);
        if (action === remove) {
          if (done) location.hash = "#/";
          return;
        }
        this.show(await json(this._id, { signal: this._signal }));
        this.watch();
      })));
    if (focused) this.node.querySelector("h1").focus();
  }

  async _run(action) {
    try {
      this._trouble.replaceChildren();
      await action();
    } catch (error) {
      if (error.name !== "AbortError") this._trouble.replaceChildren(trouble(error));
    }
  }

  _showAnswer(file) {
    if (file.status !== DONE) return this._answer.replaceChildren();
    const text = file.result ?? "";
    const stem = file.name.replace(/\.[^.]{1,10}$/, "");
    const said = button("Copy", () => this._run(async () => {
      await copy(text);
      announce("Copied.");
      said.textContent = "Copied";
      setTimeout(() => { said.textContent = "Copy"; }, 2_000);
    }), { "aria-label": "Copy the analysis" });
    const asJson = async () => (await ask(`${this._id}/result`, { headers: { Accept: "application/json" } })).blob();
    const tools = el("div", { className: "actions" }, said,
      button("Markdown", () => save(new Blob([text], { type: "text/markdown" }), `${stem}.md`), { "aria-label": "Download the analysis as Markdown" }),
      button("JSON", () => this._run(async () => save(await asJson(), `${stem}.json`)), { "aria-label": "Download the analysis as JSON" }));
    this._answer.replaceChildren(...[
      file.data && this._data(file.data),
      el("section", { className: "card", "aria-labelledby": "answer-title" },
        el("div", { className: "card-head" }, el("h2", { id: "answer-title" }, "Analysis"), tools),
        el("div", { className: "prose" }, text ? rendered(text) : el("p", { className: "mute" }, "The analysis is empty."))),
      file.options?.prompt && el("details", { className: "asked" }, el("summary", {}, "What was asked"), el("p", {}, file.options.prompt)),
    ].filter(Boolean));
  }

  _data(data) {
    const section = el("section", { className: "card", "aria-labelledby": "data-title" },
      el("div", { className: "card-head" }, el("h2", { id: "data-title" }, "Data")), dataTable(data, "Structured data"));
    const table = section.lastElementChild;
    if (table.tagName === "TABLE") scrollable(table, "Structured data");
    return section;
  }
}
