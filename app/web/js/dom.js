// Making and finding elements. Text goes in as text: nothing here turns a string into markup.

/** An element. Properties by name, `on…` as listeners, `aria-…`, `data-…` and the like as attributes. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function button(label, onclick, properties = {}) {
  return el("button", { type: "button", onclick, ...properties }, label);
}

/** Said by a screen reader when it has time. The same text twice in a row is said twice. */
export function announce(text) {
  const place = document.getElementById("announce");
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
}

/** A box that tells of trouble: what happened, and what can be done about it. */
export function trouble(error, ...actions) {
  return el("div", { className: "notice bad", role: "alert" },
    el("p", {}, el("strong", {}, error.title ?? "That did not work")),
    el("p", {}, error.message),
    error.advice && el("p", {}, error.advice),
    error.requestId && el("p", { className: "small" }, `Request id: ${error.requestId}`),
    actions.length > 0 && el("div", { className: "actions" }, actions));
}

/** Give the browser a file of ours to save. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** To the clipboard; by the old way where the page did not come by https or from this machine. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el("textarea", { value: text, readOnly: true, className: "visually-hidden" });
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  before?.focus();
  if (!copied) throw new Error("The browser refused. Select the text and copy it yourself.");
}
