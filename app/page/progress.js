/** A job while it runs: how far it is, how long it will take, and a way to stop it. */

import { byId } from "./element.js";
import { finished, follow, post } from "./service.js";

const place = byId("progress");
let running = null;

/** Show a job until it has finished; gives the job as it ended, or null when another is followed instead. */
export async function watch(first) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  let job = first;
  const cancel = byId("cancel");
  cancel.onclick = async () => {
    cancel.disabled = true;
    await post(job.links.cancel ?? `${job.links.self}/cancel`).catch(() => null); // one that has just finished
  };
  cancel.disabled = false;
  byId("progress-said").textContent = "";
  show(job);
  place.hidden = finished(job);
  if (!place.hidden) byId("progress-title").focus();
  try {
    for await (const now of follow(job, signal)) show((job = now));
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  } finally {
    if (!signal.aborted) place.hidden = true;
  }
  return job;
}

function show({ state, progress: { done, total, unit, percent, eta_seconds: eta } }) {
  place.querySelector("progress").value = percent;
  const left = eta === null || eta === undefined ? "" : `, about ${duration(eta)} left`;
  const text = state === "queued" ? "Waiting for a worker" : `${done} of ${total} ${unit}${left}`;
  byId("progress-text").textContent = text;
  // A screen reader hears every quarter, not every change.
  const quarter = 25 * Math.floor(percent / 25);
  const news = state === "queued" ? text : `${quarter} % done`;
  if (byId("progress-said").textContent !== news) byId("progress-said").textContent = news;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
