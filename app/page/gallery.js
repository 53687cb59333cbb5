/** Recent jobs, with a thumbnail of what each certified. */

import { byId, make } from "./element.js";
import { paint } from "./image.js";
import { blob, explained, get } from "./service.js";

const MOST = 24;
const THUMBNAIL = 160;
const chosen = new Set();

/** List the jobs of this caller; `open(ids)` shows one, or two that were chosen. */
export async function show(open) {
  chosen.clear();
  const list = byId("gallery");
  try {
    const { jobs } = await get(`/v1/jobs?limit=${MOST}`);
    const none = make("li", { class: "note" }, "There is none yet.");
    list.replaceChildren(...(jobs.length ? jobs.map((job) => entry(job, open)) : [none]));
  } catch (problem) {
    list.replaceChildren(make("li", { class: "error", role: "alert" }, problem.message));
  }
}

function entry(job, open) {
  const made = new Date(job.created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const text = make("span", { class: "help" }, `${job.kind}, ${job.state}`);
  const link = make("a", { href: `#/jobs/${job.id}` }, make("strong", {}, made), text);
  const item = make("li", { class: "card" }, link);
  if (job.kind === "explanation" && job.state === "succeeded") {
    const choice = make("input", { type: "checkbox", "aria-label": `Compare the explanation of ${made}` });
    choice.addEventListener("change", () => choose(job.id, choice, open));
    item.append(make("label", { class: "choice" }, choice, "Compare"));
    illustrate(job, link, text).catch(() => null); // the entry says enough without
  }
  return item;
}

async function illustrate(job, link, text) {
  const { result } = await explained(job.id);
  const { spec, target } = result;
  const noise = spec.noise.sigma ? `sigma ${spec.noise.sigma}` : spec.noise.name;
  text.textContent = `${spec.model}, ${target.label}, ${noise}`;
  const picture = await createImageBitmap(await blob(job.links["certified.png"]));
  const canvas = make("canvas", { "aria-hidden": "true" });
  paint(canvas, picture, THUMBNAIL / Math.max(picture.width, picture.height));
  link.prepend(canvas);
}

function choose(id, input, open) {
  if (!input.checked) return chosen.delete(id);
  chosen.add(id);
  if (chosen.size === 2) open([...chosen]);
}
