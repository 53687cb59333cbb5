/** One explanation: fetched, and as a card. */

import { curve } from "./curve.js";
import { make } from "./element.js";
import { certificate, limits, origin } from "./evidence.js";
import { bound, pictures } from "./maps.js";
import { Radii } from "./radii.js";
import { Problem, blob, explained, get } from "./service.js";

const PICTURES = ["input.png", "heatmap.png"];
const RADII = "radii.json";
const OUTDATED = {
  title: "This result has no radius map",
  detail: "It was made by another version of the service; compute it again",
};

const COUNTED = "More may be certified to stay than the map marks: a count need not know which cells they are.";

/** Everything that is shown of a job. Raises a Problem where there is no result, or not all of it. */
export async function load(id) {
  const { job, result } = await explained(id);
  if (![...PICTURES, RADII].every((name) => name in job.links)) throw new Problem(OUTDATED);
  const [input, heat] = await Promise.all(PICTURES.map(async (name) => createImageBitmap(await blob(job.links[name]))));
  return { job, result, input, heat, radii: new Radii(await get(job.links[RADII])) };
}

/** The card of an explanation. On one of those that are shown together the region is `changeable`. */
export function card(shownJob, view, changeable, actions) {
  const { result } = shownJob;
  const certified = result.certificates.map(certificate);
  return make(
    "article",
    { class: "card" },
    make("h2", {}, `Explained: ${result.target.label}`),
    make("p", { class: "facts" }, summary(result)),
    pictures(shownJob, view, changeable),
    bound(shownJob, view),
    make(
      "div",
      { class: "evidence" },
      make("div", { class: "certificates" }, make("h3", {}, "What is certified"), certified, help(COUNTED)),
      curve(result.curve, view, "Certified share of the most salient cells against the radius"),
    ),
    limits(result),
    origin(result),
    actions,
    [result.notice, ...(result.notes ?? [])].map(help),
  );
}

const help = (text) => make("p", { class: "help" }, text);

function summary({ spec, prediction, samples }) {
  const noise = spec.noise.sigma ? `sigma ${spec.noise.sigma}` : spec.noise.name;
  const confidence = Number((100 * spec.confidence).toFixed(6));
  const probability = (100 * prediction.probability).toFixed(1);
  const answer = `The model answers ‘${prediction.label}’ (probability ${probability} %).`;
  return `${answer} Model ${spec.model}, ${noise}, ${samples} samples, ${confidence} % confidence.`;
}
