/** The results that are looked at: one, or two side by side under the same radius, opacity and region. */

import { byId, make } from "./element.js";
import { card, load } from "./explanation.js";
import { image } from "./image.js";
import { grid, round, shown } from "./radii.js";
import { numbers, words } from "./region.js";
import { claim } from "./sentence.js";
import { blob, remove } from "./service.js";
import { View, cells } from "./view.js";

const STEPS = 200;
const PAUSE = 500;
const place = byId("result");
let turn = 0;

/** Show these jobs. `act` has what their buttons do: compare(id, result), check(certificate, image), gone(). */
export async function show(ids, act) {
  const mine = (turn += 1);
  place.replaceChildren(make("p", { class: "note", role: "status" }, "Fetching the result …"));
  let found;
  try {
    found = await Promise.all(ids.map(load));
  } catch (problem) {
    found = problem;
  }
  if (mine !== turn) return; // another one was asked for meanwhile
  const heading = ids.length > 1 ? "Two explanations, side by side" : "Explanation and certificate";
  const title = make("h1", { id: "result-title", tabindex: -1 }, heading);
  if (found instanceof Error) place.replaceChildren(title, make("p", { class: "error", role: "alert" }, found.message));
  else place.replaceChildren(title, ...content(found, act));
  title.focus();
}

function content(found, act) {
  const [{ result }] = found;
  const radii = found.flatMap((one) => one.result.certificates[0].radii.map(({ rho }) => rho));
  const asked = [...new Set(radii)].sort((a, b) => a - b);
  const view = new View(grid(asked[0]), cells(result));
  const last = Math.max(...found.map((one) => one.result.curve.at(-1).rho));
  const cards = found.map((one, number) => card(one, view, number === 0, actions(one, act)));
  const images = new Set(found.map((one) => one.result.provenance.image_sha256));
  return [
    images.size > 1 ? make("p", { class: "note" }, "These are explanations of two different images.") : null,
    controls(view, asked, last),
    make("div", { class: found.length > 1 ? "cards two" : "cards" }, cards),
    said(found, view),
  ].filter(Boolean);
}

function controls(view, asked, last) {
  const step = round(last / STEPS);
  const slider = make("input", { type: "range", min: 0, max: step * Math.ceil(last / step), step, "aria-label": "Radius" });
  const exact = make("input", { type: "number", min: 0, step: "any", "aria-label": "Radius, exactly" });
  const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: view.opacity });
  const look = (rho) => view.set({ rho: grid(Math.max(0, Number(rho) || 0)) });
  slider.addEventListener("input", () => look(slider.value));
  exact.addEventListener("change", () => look(exact.value));
  opacity.addEventListener("input", () => view.set({ opacity: Number(opacity.value) }));
  view.watch(() => {
    slider.value = view.rho;
    slider.setAttribute("aria-valuetext", `radius ${shown(view.rho)}`);
    exact.value = shown(view.rho);
  });
  const jumps = asked.map((rho) => {
    const to = { type: "button", class: "quiet", "aria-label": `Radius ${rho}`, onclick: () => look(rho) };
    return make("button", to, String(rho));
  });
  return make(
    "div",
    { class: "controls card", role: "group", "aria-label": "How to look at it" },
    make(
      "div",
      { class: "radius" },
      make("span", { "aria-hidden": "true" }, "Radius"),
      slider,
      exact,
      make("span", { class: "row" }, jumps),
    ),
    make("label", { class: "opacity" }, "Opacity", opacity),
    numbers(view),
  );
}

function actions({ job, result }, act) {
  const button = (text, onclick) => make("button", { type: "button", onclick }, text);
  const files = Object.entries(job.links).filter(([name]) => name.includes("."));
  const downloads = [...files, ["result.json", job.links.result]].map(([name, link]) =>
    make("li", {}, button(name, async () => save(await blob(link), name))),
  );
  return make(
    "div",
    { class: "actions" },
    make("details", {}, make("summary", {}, "Download"), make("ul", { class: "files" }, downloads)),
    make(
      "div",
      { class: "row" },
      button("Change settings and compare", () => act.compare(job.id, result)),
      button("Check this certificate", async () => act.check(await blob(job.links["certificate.json"]), image())),
      button("Delete image and result", async () => {
        await remove(job.id);
        act.gone();
      }),
    ),
  );
}

function save(data, name) {
  const address = URL.createObjectURL(data);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What changed, for screen readers, once the hand rests. */
function said(found, view) {
  const text = make("p", { class: "unseen", role: "status" });
  let timer = 0;
  const say = () => (text.textContent = [words(view), ...found.map((one) => claim(one, view).text)].join(". "));
  view.addEventListener("change", () => {
    clearTimeout(timer);
    timer = setTimeout(say, PAUSE);
  });
  return text;
}
