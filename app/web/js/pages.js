// A document's pages: small pictures beside the analysis, a large one on demand.
//
// <img> cannot send the key, so pictures are fetched and shown as blobs, a few at a time, when they come
// into view; their addresses are given back when the view is left.

import { blob } from "./api.js";
import { button, el } from "./dom.js";

const AT_ONCE = 3;

export class Pages {
  constructor(file, signal) {
    this._file = file;
    this._signal = signal;
    this._addresses = [];
    this._waiting = [];
    this._running = 0;
    this._count = 0;
    this.node = el("ol", { className: "thumbs", "aria-label": "Pages" });
    this._seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this._wanted(entry.target);
    }, { rootMargin: "300px" });
    signal.addEventListener("abort", () => {
      this._seen.disconnect();
      this._addresses.forEach((address) => URL.revokeObjectURL(address));
    });
  }

  /** How many there are by now. */
  show(count) {
    while (this._count < count) {
      this._count += 1;
      const n = this._count;
      const thumb = button("", () => this._enlarge(n, thumb), { className: "thumb", "aria-label": `Page ${n}, enlarge`, "data-page": n });
      thumb.append(el("span", { className: "page-number", "aria-hidden": "true" }, n));
      this.node.append(el("li", {}, thumb));
      this._seen.observe(thumb);
    }
  }

  _wanted(thumb) {
    this._seen.unobserve(thumb);
    this._waiting.push(thumb);
    this._next();
  }

  async _next() {
    if (this._running >= AT_ONCE || this._waiting.length === 0) return;
    this._running += 1;
    const thumb = this._waiting.shift();
    try {
      thumb.prepend(await this._picture(thumb.dataset.page, "thumb"));
    } catch {
      thumb.classList.add("missing");
    }
    this._running -= 1;
    if (!this._signal.aborted) this._next();
  }

  async _picture(n, size) {
    const address = URL.createObjectURL(await blob(`${this._file._id}/pages/${n}?size=${size}`, { signal: this._signal }));
    this._addresses.push(address);
    const image = el("img", { alt: `Page ${n} of ${this._file.name}`, src: address });
    await image.decode();
    return image;
  }

  _enlarge(first, thumb) {
    let n = first;
    const place = el("div", { className: "page-large", tabIndex: 0, role: "region", "aria-label": "Page" });
    const title = el("h2", { "aria-live": "polite" });
    const turn = async (step) => {
      n = Math.min(Math.max(n + step, 1), this._count);
      const wanted = n;
      title.textContent = `Page ${n} of ${this._count}`;
      back.disabled = n === 1;
      on.disabled = n === this._count;
      const shown = await this._picture(n, "full").catch((error) => el("p", { role: "alert" }, error.message));
      if (wanted === n) place.replaceChildren(shown);
    };
    const back = button("Previous", () => turn(-1));
    const on = button("Next", () => turn(1));
    const dialog = el("dialog", { className: "viewer", "aria-label": "Page",
      onkeydown: (event) => { if (event.target !== place && event.key === "ArrowLeft") turn(-1); if (event.target !== place && event.key === "ArrowRight") turn(1); },
      onclose: () => { dialog.remove(); thumb.focus(); } },
      el("div", { className: "viewer-bar" }, title, el("span", { className: "actions" }, back, on, button("Close", () => dialog.close(), { autofocus: true }))),
      place);
    document.body.append(dialog);
    this._signal.addEventListener("abort", () => dialog.close());
    dialog.showModal();
    turn(0);
  }
}
