// A document's state, and figures, in words.

export const LABELS = {
  saving: "Receiving",
  queued: "Waiting",
  processing: "Reading pages",
  "conversion complete": "Analysing",
  "api call done": "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};
export const DONE = "api call done";
const ENDED = new Set([DONE, "failed", "cancelled"]);
export const ended = (file) => ENDED.has(file.status);
export const label = (file) => LABELS[file.status] ?? file.status;
export const tone = (file) => ({ [DONE]: "good", failed: "bad", cancelled: "mute", queued: "mute" })[file.status] ?? "busy";

const WAITING = {
  worker: "for a free worker",
  "no worker is alive": "no worker is running. The operator has to start one",
  provider: "for the model's provider to take requests again",
  budget: "for the budget to allow more",
  "same document": "for the same document, which is being analysed already",
};

/** How far it is, in one line. */
export function state(file) {
  if (file.status === DONE) return file.pages ? count(file.pages, "page") : "";
  if (file.status === "failed") return file.error?.message ?? "";
  if (file.status === "cancelled") return "Stopped before the end";
  return file.status === "queued" ? waiting(file.progress ?? {}) : steps(file.progress ?? {});
}

function waiting({ waiting_for: why, position, next_try_at: next }) {
  if (!why) return "Waiting for its turn";
  const later = next ? ` (next try ${moment(next)})` : "";
  if (why.startsWith("retry at")) return `Waiting for the next try${next ? `, ${moment(next)}` : ""}`;
  const words = why === "no worker is alive" ? `Waiting: ${WAITING[why]}` : `Waiting ${WAITING[why] ?? `for ${why}`}`;
  return words + (position ? `, number ${position} in the queue` : "") + later;
}

function steps({ stage, pages_done: done, pages_total: total }) {
  const doing = { converting: "Reading pages", analysing: "Analysing", receiving: "Receiving" }[stage] ?? stage ?? "";
  return total ? `${doing}: ${done ?? 0} of ${count(total, "page")}` : doing;
}

/** 0 to 1, or null where nothing is known yet. */
export function fraction({ progress = {}, status }) {
  const { pages_done: done, pages_total: total, stage } = progress;
  if (!total || status === "queued" || status === "saving") return null;
  const part = Math.min((done ?? 0) / total, 1);
  return stage === "converting" ? part / 2 : 0.5 + part / 2;
}

export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const units = ["bytes", "kB", "MB", "GB"];
  let n = bytes;
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit += 1;
  }
  return `${n < 10 && unit > 0 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

/** Short where it is near: a time of today, a day of this year. */
export function moment(text) {
  const when = new Date(text);
  const now = new Date();
  const time = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (when.toDateString() === now.toDateString()) return `today, ${time}`;
  const year = when.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return `${when.toLocaleDateString([], { day: "numeric", month: "short", year })}, ${time}`;
}

export function lasted(from, to) {
  const seconds = (new Date(to) - new Date(from)) / 1000;
  if (!(seconds >= 0)) return "";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
