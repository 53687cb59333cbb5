/** The form: what is asked of the service, as the API's spec. */

import { byId, make } from "./element.js";
import * as fault from "./fault.js";
import { image } from "./image.js";
import { Problem, get, post } from "./service.js";

const MISSING = {
  title: "No image was chosen",
  detail: "Drop one, choose a file, or take a sample",
  pointer: "/image",
};
const form = byId("order");
const field = form.elements;
let models = [];

/** Fill the form; `onJob(job)` is told of what was queued. */
export async function start(onJob) {
  field.model.addEventListener("change", describe);
  field.sigma.addEventListener("input", describeNoise);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector(".primary");
    fault.clear(form);
    button.disabled = true;
    try {
      onJob(await send());
    } catch (problem) {
      button.disabled = false; // before the focus moves
      fault.show(form, problem);
    } finally {
      button.disabled = false;
    }
  });
  try {
    models = await get("/v1/models");
  } catch (problem) {
    return fault.show(form, problem);
  }
  field.model.replaceChildren(...models.map(({ name, title }) => make("option", { value: name }, title)));
  choose("digits");
}

/** Choose this model, if there is one of the name. */
export function choose(model) {
  if (models.some(({ name }) => name === model)) field.model.value = model;
  describe();
}

/** Put in what an earlier result was asked for, to change some of it. */
export function refill({ spec }) {
  choose(spec.model);
  const { k, radii } = spec.certificates[0];
  [...field.radius].forEach((input, place) => (input.value = radii[place] ?? ""));
  field.sigma.value = spec.noise.sigma ?? "";
  field.samples.value = spec.samples.at_most ?? spec.samples;
  field.k.value = k ?? 0.2;
  field.seed.value = spec.seed;
  field.frame.value = spec.frame ?? "";
  field.confidence.value = spec.confidence;
  field.target.value = spec.target.class ?? "predicted";
  field.granularity.value = spec.granularity.size ?? 1;
  describeNoise();
}

async function send() {
  if (!image()) throw new Problem(MISSING);
  const body = new FormData();
  body.append("image", image());
  body.append("spec", JSON.stringify(spec()));
  return post("/v1/explanations", body);
}

/** What is left empty has the service's default; what is wrong is the service's to refuse. */
function spec() {
  const radii = [...field.radius].map(({ value }) => value).filter(Boolean).map(Number);
  const set = { k: number(field.k), radii: radii.length ? radii : undefined };
  const size = Number(field.granularity.value);
  return {
    model: field.model.value || undefined,
    target: field.target.value === "predicted" ? "predicted" : { class: Number(field.target.value) },
    granularity: size > 1 ? { name: "patch", size } : "pixel",
    noise: { name: "gaussian", sigma: number(field.sigma) },
    samples: number(field.samples),
    seed: number(field.seed),
    frame: number(field.frame),
    confidence: Number(field.confidence.value),
    // The first counts; the second says which cells. Both rest on the same intervals, so the second costs nothing.
    certificates: [{ name: "topk_overlap", ...set }, { name: "pixel_status", ...set }],
  };
}

const number = ({ value }) => (value === "" ? undefined : Number(value));

const model = () => models.find(({ name }) => name === field.model.value);

function describe() {
  const { input, classes, intended_use: use } = model() ?? { input: {}, classes: [], intended_use: "" };
  const colours = input.channels === 1 ? "grey" : "colour";
  byId("model-help").textContent = `Takes ${input.width} × ${input.height} pixels, ${colours}. ${use}`;
  const asked = classes.map((label, index) => make("option", { value: index }, label));
  field.target.replaceChildren(make("option", { value: "predicted" }, "The model’s answer"), ...asked);
  describeNoise();
}

function describeNoise() {
  const sigma = Number(field.sigma.value);
  const far = (measured) => Math.abs(measured.sigma - sigma);
  const [nearest] = (model()?.accuracy ?? []).toSorted((one, other) => far(one) - far(other));
  const right = nearest && `in ${Math.round(100 * nearest.value)} % of ${nearest.images} images`;
  const known = nearest ? ` Under noise of ${nearest.sigma} this model is right ${right}.` : "";
  byId("sigma-help").textContent = `More noise certifies larger radii, but blurs the map.${known}`;
}
