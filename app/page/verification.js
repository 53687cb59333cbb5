/** Checking a certificate: the form, and the list of what was looked at. */

import { byId, make } from "./element.js";
import * as fault from "./fault.js";
import { droppable } from "./image.js";
import { Problem, get, post } from "./service.js";
import { watch } from "./progress.js";

const form = byId("verification");
const MARKS = { passed: "✓ passed", failed: "✗ failed", not_checked: "– not checked" };
const WHOLE = {
  passed: "The certificate holds.",
  failed: "The certificate does not hold.",
  not_checked: "Not everything that was asked for could be checked.",
};
const MISSING = {
  title: "No certificate was chosen",
  detail: "Take the file certificate.json of a result",
  pointer: "/certificate",
};

export function start() {
  for (const input of form.querySelectorAll("[type=file]")) {
    droppable(input.closest(".drop"), (file) => give(input, file));
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { certificate, image, blocks } = form.elements;
    const share = blocks.value === "" ? {} : { blocks: blocks.value };
    await check(certificate.files[0], image.files[0], share);
  });
}

/** Check these files; the outcome is listed under the form. */
export async function check(certificate, image, more = {}) {
  fault.clear(form);
  byId("checks").replaceChildren();
  try {
    if (!certificate) throw new Problem(MISSING);
    const body = new FormData();
    body.append("certificate", certificate, "certificate.json");
    if (image) body.append("image", image, "image");
    for (const [name, value] of Object.entries(more)) body.append(name, value);
    const job = await watch(await post("/v1/verifications", body));
    if (job) await show(job);
  } catch (problem) {
    fault.show(form, problem);
  }
}

/** List the checks of a finished job. */
export async function show(job) {
  const { outcome, checks } = await get(job.links.result);
  const rows = checks.map(({ name, outcome: one, detail }) => {
    const text = make("span", {}, make("b", {}, name.replaceAll("_", " ")), ` ${detail}`);
    return make("li", { class: one }, make("strong", {}, MARKS[one]), text);
  });
  byId("checks").replaceChildren(make("h2", { class: outcome }, WHOLE[outcome]), make("ul", { class: "checks" }, rows));
}

function give(input, file) {
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
}
