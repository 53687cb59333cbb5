/** The service: one function for each call that the page makes. Errors are Problems (RFC 9457). */

import { ask, headers } from "./key.js";

const POLL_MILLISECONDS = 1000;
const FINISHED = ["succeeded", "failed", "cancelled"];
const AWAY = "away";
const results = new Map();

/** What the service says is wrong: `code`, `message`, and `pointer` where a field is at fault. */
export class Problem extends Error {
  constructor({ title, detail, code, pointer }) {
    super([title, detail].filter(Boolean).join(". "));
    Object.assign(this, { code, pointer });
  }
}

/** The response to a call that succeeded. Asks for a key as often as one is wanted. */
export async function call(path, options = {}) {
  for (;;) {
    const response = await reached(path, { ...options, headers: { ...options.headers, ...headers() } });
    if (response.ok) return response;
    const problem = await read(response);
    if (response.status !== 401 || !(await ask(problem.message))) throw problem;
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The service cannot be reached", detail: "See that it runs", code: AWAY });
  }
}

async function read(response) {
  const document = await response.json().catch(() => ({}));
  return new Problem({ title: `The service answered ${response.status}`, ...document });
}

export const get = async (path) => (await call(path)).json();
export const post = async (path, body) => (await call(path, { method: "POST", body })).json();
export const blob = async (path) => (await call(path)).blob();
export const remove = (id) => call(`/v1/jobs/${id}`, { method: "DELETE" });
export const finished = (job) => FINISHED.includes(job.state);

/** The job of this id, as it is now. */
export const found = (id) => get(`/v1/jobs/${encodeURIComponent(id)}`);

/** A job with its result, which never changes and is fetched once. */
export async function explained(id) {
  if (!results.has(id)) {
    const job = await found(id);
    results.set(id, { job, result: await get(job.links.result) });
  }
  return results.get(id);
}

/** The job at every change until it has finished: by its events, and by asking where those do not come through. */
export async function* follow(job, signal) {
  try {
    for await (const now of events(job, signal)) yield (job = now);
  } catch (error) {
    if (signal.aborted || (error instanceof Problem && error.code !== AWAY)) throw error;
  }
  while (!finished(job)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    signal.throwIfAborted();
    yield (job = await get(job.links.self));
  }
}

async function* events(job, signal) {
  if (finished(job)) return;
  const response = await call(job.links.events, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (text + part.value).replaceAll("\r\n", "\n").split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length) yield JSON.parse(data.map((line) => line.slice(5)).join("\n"));
    }
  }
}
