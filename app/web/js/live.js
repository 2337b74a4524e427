// Keeping a list up to date: streams for the few documents that are next, one list for all others.
//
// A browser opens six connections to a server (HTTP/1.1): three streams leave room for the rest.

import { follow, pause } from "./events.js";
import { ended } from "./words.js";

const STREAMS = 3;
const BEAT_MS = 2_000;
const QUIET_BEATS = 8; // where nothing is under way, one look in so many

export class Live {
  /** `refresh()` asks for the list again; `rows` are kept up to date until `signal` aborts. */
  constructor(rows, refresh, signal) {
    this._rows = rows;
    this._refresh = refresh;
    this._signal = signal;
    this._streams = new Map();
  }

  async run() {
    for (let beat = 1; !this._signal.aborted; beat += 1) {
      this.follow();
      await pause(BEAT_MS, this._signal);
      const due = beat % QUIET_BEATS === 0 || this._rows.files.some((file) => !ended(file));
      if (due && !document.hidden && !this._signal.aborted) await this._refresh();
    }
  }

  /** What is under way now; the oldest first: they are worked on, or next. */
  follow() {
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
      this._streams.delete(id);
      if (!this._signal.aborted) this.follow();
    } catch {
      this._streams.delete(id); // the list tells of it; the next beat tries again
    }
  }
}
