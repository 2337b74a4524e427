// Batches: the list of them, and one: how many documents are how far, export, retry and cancel for all.

import { ask, blob, json } from "./api.js";
import { confirmed } from "./dialogs.js";
import { DocumentList } from "./documents.js";
import { announce, button, el, save, trouble } from "./dom.js";
import { Live } from "./live.js";
import { LABELS, count, moment, tone } from "./words.js";

const PAGE = 200;

/** The server lists documents; the batches are those that the newest of them came with. */
export async function batchesView(main, { signal }) {
  const list = el("ul", { className: "rows", "aria-label": "Batches" });
  const note = el("div");
  let cursor = null;
  const more = button("Look further back", () => load().catch(tell), { hidden: true });
  const known = new Set();
  const tell = (error) => { if (error.name !== "AbortError") note.replaceChildren(trouble(error)); };
  const load = async () => {
    const query = new URLSearchParams({ limit: PAGE, ...(cursor ? { cursor } : {}) });
    const answer = await json(`files?${query}`, { signal });
    const ids = [...new Set(answer.files.map((file) => file.batch_id))].filter((id) => id && !known.has(id));
    ids.forEach((id) => known.add(id));
    const found = await Promise.all(ids.map((id) => json(`batches/${id}`, { signal }).catch(() => null)));
    list.append(...found.filter(Boolean).map(row));
    cursor = answer.next_cursor;
    more.hidden = !cursor;
    note.replaceChildren(...(known.size === 0 && !cursor ? [empty()] : []));
  };
  main.replaceChildren(el("h1", { tabIndex: -1 }, "Batches"), note, list, el("p", { className: "more" }, more));
  await load();
}

const empty = () => el("div", { className: "empty" },
  el("p", { className: "empty-lead" }, "No batches yet"),
  el("p", { className: "mute" }, "Drop several files at once: they stay together, with one progress and one export."));

function row(batch) {
  return el("li", { className: "row batch" },
    el("div", { className: "row-main" },
      el("a", { className: "name", href: `#/b/${batch.batch_id}` }, title(batch)),
      el("span", { className: "state" }, tally(batch))),
    el("span", { className: `badge ${batch.status === "complete" ? "good" : "busy"}` }, { complete: "Complete", receiving: "Receiving" }[batch.status] ?? "Running"),
    el("span", { className: "small mute facts" }, moment(batch.created_at)));
}

const all = (batch) => batch.total ?? Object.values(batch.counts).reduce((sum, n) => sum + n, 0);
const title = (batch) => `Batch of ${count(all(batch), "document")}`;
const tally = ({ counts, refused = [], deleted }) => [
  ...Object.entries(LABELS).filter(([status]) => counts[status]).map(([status, name]) => `${counts[status]} ${name.toLowerCase()}`),
  refused.length && `${refused.length} refused`, deleted && `${deleted} deleted`].filter(Boolean).join(", ");

export async function batchView(main, { id, signal }) {
  const list = new DocumentList(signal, { batch_id: id });
  const head = new BatchHead(id, signal, () => list.refresh());
  await head.refresh();
  main.replaceChildren(el("p", {}, el("a", { href: "#/batches", className: "back" }, "All batches")), head.node,
    el("section", { "aria-labelledby": "list-title" },
      el("div", { className: "list-head" }, el("h2", { id: "list-title" }, "Documents"), list.filters()), list.node));
  await list.refresh();
  new Live(list.rows, () => Promise.all([list.refresh(), head.refresh().catch(() => {})]), signal).run();
}

class BatchHead {
  constructor(id, signal, onChange) {
    this._path = `batches/${id}`;
    this._signal = signal;
    this._onChange = onChange;
    this._title = el("h1", { tabIndex: -1 }, "Batch");
    this._tally = el("p", { className: "state" });
    this._bar = el("progress", { max: 1, value: 0, "aria-label": "Ended" });
    this._refused = el("div");
    this._trouble = el("div");
    this._again = button("Retry all failed", () => this._run(async () => {
      const { retried } = await (await ask(`${this._path}/retry`, { method: "POST" })).json();
      announce(`${count(retried, "document")} tried again.`);
    }));
    this._stop = button("Cancel all", () => this._run(async () => {
      const text = "What is finished stays; everything that still waits or is being read is stopped.";
      if (await confirmed("Cancel the rest of this batch?", text, "Cancel all")) await ask(`${this._path}/cancel`, { method: "POST" });
    }), { className: "danger-quiet" });
    const exported = (kind) => button(`Export ${kind.toUpperCase()}`, () => this._run(async () =>
      save(await blob(`${this._path}?format=${kind}`), `batch-${id}.${kind}`)));
    this.node = el("div", {}, el("div", { className: "document-head" },
      el("div", { className: "document-name" }, this._title, this._tally),
      el("div", { className: "actions" }, exported("csv"), exported("jsonl"), this._again, this._stop)),
      this._bar, this._trouble, this._refused);
  }

  async refresh() {
    const batch = await json(this._path, { signal: this._signal });
    this._title.textContent = title(batch);
    this._tally.textContent = `${tally(batch)} · ${moment(batch.created_at)}`;
    const there = Object.values(batch.counts).reduce((sum, n) => sum + n, 0);
    this._bar.value = there ? batch.ended / there : 1;
    this._bar.hidden = batch.status === "complete";
    this._again.hidden = !batch.counts.failed;
    this._stop.hidden = batch.status === "complete";
    this._refused.replaceChildren(...(batch.refused?.length ? [el("details", { className: "notice bad" },
      el("summary", {}, `${count(batch.refused.length, "file")} refused`),
      el("ul", {}, batch.refused.map((one) => el("li", {}, el("strong", {}, one.name), ` ${one.message}`))))] : []));
  }

  async _run(action) {
    try {
      this._trouble.replaceChildren();
      await action();
      await Promise.all([this.refresh(), this._onChange()]);
    } catch (error) {
      if (error.name !== "AbortError") this._trouble.replaceChildren(trouble(error));
    }
  }
}
