// Keeping a list up to date: streams for the few documents that are next, one list for all others.
//
// A browser opens six connections to a server (HTTP/1.1): three streams leave room for the rest.

import { follow, pause } from "./events.js";
import { ended } from "./words.js";

const STREAMS = 3;
const BUSY_MS = 2_000;
const QUIET_MS = 15_000;

export class Live {
  /** `refresh()` asks for the list again; `rows` are kept up to date until `signal` aborts. */
  constructor(rows, refresh, signal) {
    this._rows = rows;
    this._refresh = refresh;
    this._signal = signal;
    this._streams = new Map();
  }

  async run() {
    while (!this._signal.aborted) {
      this._follow();
      const busy = this._rows.files.some((file) => !ended(file));
      await pause(busy ? BUSY_MS : QUIET_MS, this._signal);
      if (!document.hidden && !this._signal.aborted) await this._refresh();
    }
  }

  /** The oldest first: they are worked on, or next. */
  _follow() {
    for (const file of this._rows.files.filter((one) => !ended(one)).reverse()) {
      if (this._streams.size >= STREAMS) return;
      if (!this._streams.has(file._id)) this._stream(file._id);
    }
  }

  async _stream(id) {
    this._streams.set(id, true);
    const told = (state) => (state ? this._rows.update(state) : this._rows.remove(id));
    try {
      await follow(id, told, this._signal);
    } catch { /* the list tells of it */ } finally {
      this._streams.delete(id);
      if (!this._signal.aborted) this._follow();
    }
  }
}
