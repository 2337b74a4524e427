// What can be done to a document, and the buttons for it.

import { ask } from "./api.js";
import { announce, button } from "./dom.js";
import { confirmed } from "./dialogs.js";
import { ended } from "./words.js";

export const retryable = (file) => file.status === "failed" || file.status === "cancelled";

export async function retry(file) {
  await ask(`${file._id}/retry`, { method: "POST" });
  announce(`${file.name}: trying again.`);
}

export async function cancel(file) {
  await ask(`${file._id}/cancel`, { method: "POST" });
  announce(`${file.name}: stopped.`);
}

/** Whether it is gone. */
export async function remove(file) {
  const text = `“${file.name}”, its pages and its analysis are deleted for good.`;
  if (!await confirmed("Delete this document?", text, "Delete")) return false;
  await ask(file._id, { method: "DELETE", allow: [404] });
  announce(`${file.name}: deleted.`);
  return true;
}

/** The buttons that fit its status. `run(action)` does one, tells of trouble, and shows what became of it. */
export function buttonsFor(file, run, properties = {}) {
  const made = [];
  const add = (text, action, more = {}) => made.push(
    button(text, () => run(action), { ...properties, "aria-label": `${text} ${file.name}`, ...more }));
  if (retryable(file)) add("Retry", retry);
  if (!ended(file) && file.status !== "saving") add("Cancel", cancel);
  if (file.status !== "saving") add("Delete", remove, { className: `${properties.className ?? ""} danger-quiet` });
  return made;
}
