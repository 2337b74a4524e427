// Questions that have to be answered first. <dialog> keeps the focus inside, closes on Escape, gives it back.

import { button, el, announce } from "./dom.js";
import { key } from "./api.js";

function shown(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

/** Whether the person said yes. The harmless answer has the focus. */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    const close = (answer) => () => dialog.close(answer);
    const dialog = el("dialog", { "aria-labelledby": "ask-title", "aria-describedby": "ask-text" },
      el("h2", { id: "ask-title" }, title),
      el("p", { id: "ask-text" }, text),
      el("p", { className: "actions end" },
        button("Keep it", close(""), { autofocus: true }),
        button(yes, close("yes"), { className: "danger" })));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
    shown(dialog);
  });
}

let asking = null;
/** Ask for the API key; `why` is the server's refusal. `onKey` is called when another one was given. */
export function askForKey(onKey, why = null) {
  if (asking) return;
  const field = el("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: false, value: why ? "" : key.get(),
    "aria-describedby": "key-help key-fault", placeholder: "frag_…", required: true,
  });
  const fault = el("p", { id: "key-fault", className: "notice bad", role: "alert", hidden: !why },
    why && key.get() ? why.message : "");
  fault.hidden = !fault.textContent;
  const take = (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (key.looksWrong(text)) {
      fault.textContent = "A key holds no blanks and only plain letters, digits and signs. Copy it once more.";
      fault.hidden = false;
      return field.focus();
    }
    dialog.close();
    key.set(text);
    announce("The key is kept until this tab is closed.");
    return onKey();
  };
  const forget = () => { dialog.close(); key.set(""); announce("The key is forgotten."); onKey(); };
  const dialog = el("dialog", { "aria-labelledby": "key-title" },
    el("form", { onsubmit: take },
      el("h2", { id: "key-title" }, "API key"),
      el("p", { id: "key-help" }, why ? "This server asks for an API key. " : "",
        "It stays in this tab, is sent as a header, and is forgotten when the tab is closed."),
      fault,
      el("label", { htmlFor: "key" }, "Key"), field,
      el("p", { className: "actions end" },
        key.get() && button("Forget the key", forget, { className: "quiet" }),
        button("Cancel", () => dialog.close()),
        el("button", { className: "primary" }, "Use this key"))));
  dialog.addEventListener("close", () => { asking = null; });
  asking = dialog;
  shown(dialog);
  field.focus();
}
