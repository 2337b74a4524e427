// A list of documents whose rows change in place: the focus and the reading position stay where they are.

import { announce, el, trouble } from "./dom.js";
import { buttonsFor } from "./actions.js";
import { DONE, ended, fraction, label, moment, size, state, tone } from "./words.js";

export class Rows {
  /** `onChange` is called after something was done to one of them. */
  constructor(onChange) {
    this.node = el("ul", { className: "rows", "aria-label": "Documents" });
    this._onChange = onChange;
    this._rows = new Map();
  }

  get files() {
    return [...this._rows.values()].map((row) => row.file);
  }

  /** These files, in this order. */
  show(files) {
    const ids = new Set(files.map((file) => file._id));
    for (const [id, row] of this._rows) if (!ids.has(id)) this._drop(id, row);
    files.forEach((file, place) => {
      const row = this._rows.get(file._id) ?? this._add(file);
      row.update(file);
      if (this.node.children[place] !== row.node) this.node.insertBefore(row.node, this.node.children[place] ?? null);
    });
  }

  /** One file's newer state, if it is here. */
  update(file) {
    this._rows.get(file._id)?.update(file);
  }

  remove(id) {
    const row = this._rows.get(id);
    if (row) this._drop(id, row);
  }

  _add(file) {
    const row = new Row(file, this._onChange);
    this._rows.set(file._id, row);
    return row;
  }

  _drop(id, row) {
    if (row.node.contains(document.activeElement)) {
      const near = row.node.nextElementSibling ?? row.node.previousElementSibling;
      (near?.querySelector("a") ?? document.getElementById("main")).focus();
    }
    row.node.remove();
    this._rows.delete(id);
  }
}

class Row {
  constructor(file, onChange) {
    this.file = { revision: -1 };
    this._onChange = onChange;
    this._link = el("a", { className: "name", href: `#/d/${file._id}` });
    this._state = el("span", { className: "state" });
    this._bar = el("progress", { max: 1, hidden: true, "aria-label": `Progress of ${file.name}` });
    this._badge = el("span");
    this._facts = el("span", { className: "small mute facts" });
    this._actions = el("div", { className: "row-actions" });
    this._trouble = el("div");
    this.node = el("li", { className: "row", "data-id": file._id },
      el("div", { className: "row-main" }, this._link, this._state, this._bar, this._trouble),
      this._badge, this._facts, this._actions);
  }

  update(news) {
    const file = { ...this.file, ...news };
    if (news.revision < this.file.revision) return; // an older answer that took longer
    const before = this.file.status;
    this.file = file;
    this._link.textContent = file.name;
    this._state.textContent = state(file);
    this._badge.textContent = label(file);
    this._badge.className = `badge ${tone(file)}`;
    this._facts.textContent = [size(file.size), file.created_at && moment(file.created_at)].filter(Boolean).join(" · ");
    this._showBar(file);
    if (before === file.status) return;
    if (before && ended(file)) announce(`${file.name}: ${label(file)}. ${file.status === DONE ? "" : state(file)}`);
    this._showActions(file);
  }

  _showBar(file) {
    this._bar.hidden = ended(file) || file.status === "queued";
    const part = fraction(file);
    if (part === null) this._bar.removeAttribute("value");
    else this._bar.value = part;
  }

  _showActions(file) {
    const focused = this._actions.contains(document.activeElement);
    this._trouble.replaceChildren();
    this._actions.replaceChildren(...buttonsFor(file, (action) => this._run(action), { className: "small-button" }));
    if (focused) this._link.focus();
  }

  async _run(action) {
    try {
      if (await action(this.file) !== false) await this._onChange();
    } catch (error) {
      this._trouble.replaceChildren(trouble(error));
    }
  }
}
