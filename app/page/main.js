/** Which part of the page is shown, and what leads to another: #/, #/jobs/ID, #/jobs/ID/ID, #/recent, #/check. */

import { byId } from "./element.js";
import * as fault from "./fault.js";
import * as gallery from "./gallery.js";
import * as image from "./image.js";
import { ask } from "./key.js";
import * as order from "./order.js";
import { watch } from "./progress.js";
import * as result from "./result.js";
import { finished, found } from "./service.js";
import * as theme from "./theme.js";
import * as verification from "./verification.js";

let earlier = null;

const open = (ids) => (location.hash = `#/jobs/${ids.join("/")}`);

/** Show these sections and no other. */
function only(...names) {
  for (const name of ["ask", "result", "recent", "check"]) byId(name).hidden = !names.includes(name);
}

/** From a new job to its result, beside the earlier one if one was to be compared. */
async function follow(job) {
  try {
    const ended = await watch(job);
    if (ended?.state === "cancelled") throw new Error("The job was cancelled. Change what you like and send it again.");
    if (ended) open(earlier ? [earlier, ended.id] : [ended.id]);
    compareWith(null);
  } catch (problem) {
    fault.show(byId("order"), problem);
  }
}

function compareWith(id) {
  earlier = id;
  byId("beside").hidden = !id;
  byId("beside").textContent = "Change the model or sigma: the new result is shown beside the earlier one.";
}

const act = {
  compare(id, asked) {
    location.hash = "#/";
    order.refill(asked);
    compareWith(id);
  },
  check(certificate, picture) {
    location.hash = "#/check";
    verification.check(certificate, picture);
  },
  gone: () => (location.hash = "#/recent"),
};

async function job(ids) {
  const [first] = await Promise.all(ids.map(found)).catch(() => [null]);
  if (first?.kind === "verification") {
    only("check");
    return verification.show(first);
  }
  only("result");
  // What went wrong while it ran, the result says.
  if (first && !finished(first) && !(await watch(first).catch(() => first))) return;
  await result.show(ids, act);
}

function route() {
  const [name, ...ids] = location.hash.replace(/^#\/?/, "").split("/");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "jobs" && ids.length) return job(ids.slice(0, 2));
  only(name === "recent" || name === "check" ? name : "ask");
  if (name === "recent") gallery.show(open);
  byId(`${name || "ask"}-title`)?.focus({ preventScroll: false });
}

theme.start();
image.start((model) => model && order.choose(model));
verification.start();
byId("key-button").addEventListener("click", async () => {
  if (await ask("Shown with every request from this tab.")) location.reload();
});
window.addEventListener("hashchange", route);
await order.start(follow);
route();
