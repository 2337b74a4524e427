// Following a document: its event stream, read by fetch so that the key can go along; else patient asking.

import { ask, Problem } from "./api.js";
import { ended } from "./words.js";

const SILENCE_MS = 45_000; // three of the server's heartbeats
const PATIENCE_S = 20;

/** Call `onState(document | null)` for each state until it ended (null: deleted) or `signal` aborts. */
export async function follow(id, onState, signal) {
  const seen = { id: null, ended: false };
  let failures = 0;
  while (!signal.aborted && !seen.ended) {
    try {
      await stream(id, seen, onState, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 404) return onState(null);
      if (error.status === 401 || error.status === 403) throw error;
      failures += 1;
      if (await patientlyAsked(id, seen, onState, signal)) continue;
    }
    await pause(Math.min(500 * 2 ** failures, 15_000), signal);
  }
}

async function stream(id, seen, onState, signal) {
  const silence = new AbortController();
  const stop = () => silence.abort();
  signal.addEventListener("abort", stop);
  let timer = setTimeout(stop, SILENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(seen.id ? { "Last-Event-ID": seen.id } : {}) };
    const answer = await ask(`${id}/events`, { headers, signal: silence.signal });
    if (answer.status === 204) {
      seen.ended = true;
      return;
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) told(block, seen, onState);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    silence.abort();
  }
}

function told(block, seen, onState) {
  const lines = block.split("\n");
  const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const event = field("event");
  if (event === "deleted") {
    seen.ended = true;
    onState(null);
  } else if (event === "status") {
    seen.id = field("id") ?? seen.id;
    const state = JSON.parse(field("data"));
    seen.ended = ended(state);
    onState(state);
  }
}

/** Where streams do not come through (an old proxy): ask, and let the server wait. Whether it answered. */
async function patientlyAsked(id, seen, onState, signal) {
  try {
    const answer = await ask(id, {
      headers: seen.tag ? { Prefer: `wait=${PATIENCE_S}`, "If-None-Match": seen.tag } : {}, // first: how it is now
      signal,
      allow: [304],
    });
    if (answer.status === 304) return true;
    seen.tag = answer.headers.get("etag");
    const state = await answer.json();
    seen.id = String(state.revision);
    seen.ended = ended(state);
    onState(state);
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) return false;
    if (error.status === 404) {
      seen.ended = true;
      onState(null);
    }
    return false;
  }
}

export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
