// The one way to the server: the key goes with every request as a header, errors come back as `Problem`.

const ROOT = new URL("../../", import.meta.url); // of the server, also below a prefix
const KEPT_AS = "full-rag-key"; // in sessionStorage: gone with the tab

const ADVICE = {
  key_missing: "Enter the key that the operator of this server gave you.",
  key_invalid: "Check that the whole key was copied, without blanks.",
  rate_limited: "Wait a moment, then try again.",
};

/** Why a request failed: the server's own words where it spoke. */
export class Problem extends Error {
  constructor(message, { status = 0, code = "network", retryable = true, requestId = null, after = null } = {}) {
    super(message);
    Object.assign(this, { status, code, retryable, requestId, after });
  }

  get title() {
    if (this.code === "network") return "The server cannot be reached";
    if (this.status === 401) return "This server asks for an API key";
    if (this.status === 404) return "It is not here";
    return this.status >= 500 ? "The server has a problem" : "That did not work";
  }

  get advice() {
    return ADVICE[this.code] ?? (this.retryable ? "Trying again may help." : "");
  }
}

const UNREACHABLE = "No answer came. Check that the server runs and that you are connected.";

export const key = {
  get: () => sessionStorage.getItem(KEPT_AS) ?? "",
  set(text) {
    if (text) sessionStorage.setItem(KEPT_AS, text);
    else sessionStorage.removeItem(KEPT_AS);
  },
  /** What a header cannot carry is no key. */
  looksWrong: (text) => !/^[\x21-\x7e]+$/.test(text),
};

let onUnauthorised = () => {};
/** `tell(problem)` is called when the server wants another key. */
export function whenUnauthorised(tell) {
  onUnauthorised = tell;
}

function headersWith(more = {}) {
  const kept = key.get();
  return kept ? { ...more, Authorization: `Bearer ${kept}` } : more;
}

/** A `Response` that is well; throws Problem, or AbortError when `signal` says so. */
export async function ask(path, { method = "GET", headers = {}, signal, allow = [] } = {}) {
  let answer;
  try {
    answer = await fetch(new URL(path, ROOT), { method, headers: headersWith(headers), signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(UNREACHABLE);
  }
  if (answer.ok || allow.includes(answer.status)) return answer;
  throw problemOf(answer.status, await answer.text().catch(() => ""), (name) => answer.headers.get(name));
}

export const json = async (path, options) => (await ask(path, options)).json();
export const blob = async (path, options) => (await ask(path, options)).blob();

function problemOf(status, text, header) {
  let said = {};
  try {
    said = JSON.parse(text);
  } catch { /* a proxy's page, not the server's words */ }
  const message = said.detail ?? `The answer was ${status}.`;
  const { code = `http_${status}`, retryable = status >= 500, request_id: requestId = null } = said;
  const problem = new Problem(message, { status, code, retryable, requestId, after: header("retry-after") });
  if (status === 401) onUnauthorised(problem);
  return problem;
}

/** Post a form and tell how much of it is gone. `{promise, abort}`; only XMLHttpRequest tells of uploads. */
export function post(path, form, headers, onProgress) {
  const request = new XMLHttpRequest();
  const promise = new Promise((resolve, reject) => {
    request.open("POST", new URL(path, ROOT));
    for (const [name, value] of Object.entries(headersWith(headers))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded, event.lengthComputable ? event.total : null);
    request.onerror = () => reject(new Problem(UNREACHABLE));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    request.onload = () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(problemOf(request.status, request.responseText, (name) => request.getResponseHeader(name)));
    };
    request.send(form);
  });
  return { promise, abort: () => request.abort() };
}

/** A key for an upload and all its repetitions; `randomUUID` is only there on https and localhost. */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
