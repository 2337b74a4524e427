// Dropping or picking files, sending them with a bar, trying again with the same Idempotency-Key.

import { newIdempotencyKey, post } from "./api.js";
import { announce, button, el } from "./dom.js";
import { count, size } from "./words.js";

const MAX_PROMPT = 4000;
const ITS_OWN_FAULT = new Set([400, 413, 415, 422]); // the same files would be refused again

/** The card to drop files on. `onAccepted` is called after each upload that the server took. */
export function uploader(onAccepted) {
  const tray = el("ul", { className: "tray", "aria-label": "Uploads" });
  const picker = el("input", {
    type: "file", id: "picker", multiple: true, accept: "application/pdf,.pdf", className: "visually-hidden",
    onchange: () => { begin([...picker.files]); picker.value = ""; },
  });
  const prompt = el("textarea", { id: "prompt", rows: 2, maxLength: MAX_PROMPT, placeholder: "Which languages does the applicant speak?" });
  const begin = (files) => {
    if (files.length > 0) sending(tray, { files, prompt: prompt.value.trim(), key: newIdempotencyKey() }, onAccepted);
  };
  const zone = el("div", { className: "drop" },
    el("p", { className: "drop-lead", "aria-hidden": "true" }, "Drop PDF files here"),
    picker,
    el("label", { htmlFor: "picker", className: "button primary" }, "Choose files"),
    el("p", { className: "small mute" }, "One file or hundreds. Several at once become a batch."));
  droppable(zone, begin);
  const question = el("details", { className: "question" },
    el("summary", {}, "Ask your own question"),
    el("label", { htmlFor: "prompt" }, "What to find out about the documents you upload next"),
    prompt);
  return el("section", { "aria-labelledby": "upload-title", className: "card" },
    el("h2", { id: "upload-title", className: "visually-hidden" }, "Upload"), zone, question, tray);
}

function droppable(zone, begin) {
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const over = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("over");
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    begin([...event.dataTransfer.files]);
  });
}

/** A file that misses the zone must not replace the page. */
export function guardThePage() {
  for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
}

function formOf({ files, prompt }) {
  const form = new FormData();
  if (prompt) form.append("prompt", prompt); // fields before files: the server reads as it comes
  for (const file of files) form.append("file", file, file.name);
  return form;
}

function sending(tray, upload, onAccepted) {
  const { files } = upload;
  const name = files.length === 1 ? files[0].name : count(files.length, "file");
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const item = el("li", { className: "upload" });
  tray.append(item);
  const gone = () => item.remove();
  const send = async () => {
    const bar = el("progress", { max: 1, value: 0, "aria-label": `Uploading ${name}` });
    const told = el("span", { className: "small mute" }, size(total));
    const sent = post("upload", formOf(upload), { "Idempotency-Key": upload.key }, (loaded, all) => {
      bar.value = all ? loaded / all : 0;
      told.textContent = all && loaded >= all ? "Received, being stored…" : `${size(loaded)} of ${size(all ?? total)}`;
    });
    item.replaceChildren(
      el("div", { className: "upload-line" }, el("strong", { className: "name" }, name), told,
        button("Stop", () => sent.abort(), { className: "quiet", "aria-label": `Stop uploading ${name}` })),
      bar);
    try {
      accepted(item, await sent.promise, name, gone);
      onAccepted();
    } catch (error) {
      if (error.name === "AbortError") return gone();
      failed(item, error, name, send, gone);
    }
  };
  send();
}

function accepted(item, answer, name, gone) {
  announce(`${name}: uploaded.`);
  const refused = answer.refused ?? [];
  if (refused.length === 0) return gone();
  item.replaceChildren(el("div", { className: "notice bad", role: "alert" },
    el("p", {}, el("strong", {}, `${count(refused.length, "file")} of ${name} refused, the others were taken`)),
    el("ul", {}, refused.map((one) => el("li", {}, el("strong", { className: "name" }, one.name), ` ${one.message}`))),
    el("div", { className: "actions" }, button("Dismiss", gone))));
}

function failed(item, error, name, again, gone) {
  item.replaceChildren(el("div", { className: "notice bad", role: "alert" },
    el("p", {}, el("strong", { className: "name" }, `${name} was not uploaded`)),
    el("p", {}, error.message, error.advice ? ` ${error.advice}` : ""),
    el("div", { className: "actions" },
      !ITS_OWN_FAULT.has(error.status) && button("Try again", again, { "aria-label": `Try again to upload ${name}` }),
      button("Dismiss", gone, { "aria-label": `Dismiss the failed upload of ${name}` }))));
}
