/** What is certified, what that does not say, and where it comes from, in words and tables. */

import { make } from "./element.js";

const NOT_SAID = [
  "That the model is right, or that the marked region is the cause of anything, least of all of a disease.",
  "Anything about larger changes, or about those that are not small in l2: a rotation, another scanner.",
  "Anything about the raw map without smoothing.",
  "Anything about the image before it was cut and scaled: radii are measured on the image as the model receives it.",
];
const FRESH_RUN = "Anything about a second run on the changed image, which has a sampling error of its own.";

/** A certificate: its sentence, and what it gives at each radius. */
export function certificate({ name, guarantee, statement, radii }) {
  const rows = radii.map(({ rho, value, certified, k, outcome }) => {
    const least = k ? `${certified} of ${k}` : (Math.floor(100 * value) / 100).toFixed(2);
    return make("tr", {}, make("th", { scope: "row" }, String(rho)), make("td", {}, least), make("td", {}, outcome));
  });
  const head = ["Radius", "At least", "Outcome"].map((text) => make("th", { scope: "col" }, text));
  const caption = make("caption", {}, `${name}, ${guarantee.replaceAll("_", " ")}`);
  const table = make("table", {}, caption, make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows));
  return make("div", { class: "certificate" }, make("blockquote", {}, statement), table);
}

/** What nobody should read into it. */
export function limits({ spec }) {
  const said = spec.compare === "observed" ? NOT_SAID : [...NOT_SAID, FRESH_RUN];
  return unfold("What it does not say", make("ul", {}, said.map((text) => make("li", {}, text))));
}

/** Everything that is needed to compute it again. */
export function origin({ provenance }) {
  const facts = Object.entries(provenance).flatMap(([name, value]) => [
    make("dt", {}, name.replaceAll("_", " ")),
    make("dd", {}, words(value)),
  ]);
  return unfold("Where it comes from", make("dl", { class: "provenance" }, facts));
}

const unfold = (title, content) => make("details", {}, make("summary", {}, title), content);

function words(value) {
  if (value === null) return "none";
  if (Array.isArray(value)) return value.join("; ");
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map((pair) => pair.join(" ")).join(", ");
}
