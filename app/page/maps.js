/** The three pictures of an explanation, and the bound that what is marked proves. */

import { make } from "./element.js";
import { canvasFor, compose, heatLayer, statusLayers } from "./picture.js";
import { shown } from "./radii.js";
import { box } from "./region.js";
import { claim } from "./sentence.js";
import { cells } from "./view.js";

/** Image, heat map and certified map; on the last the region can be drawn, if it is `changeable`. */
export function pictures({ result, input, heat, radii }, view, changeable) {
  const grid = cells(result);
  const labels = ["The image as the model receives it", "Heat map", "Certified map"];
  const [image, map, certified] = labels.map((label) => canvasFor(input, label));
  const warm = [heatLayer(heat)];
  compose(image, input, grid, 0, []);
  view.watch(() => {
    compose(map, input, grid, view.opacity, warm);
    compose(certified, input, grid, view.opacity, statusLayers(radii, view.rho));
    const counted = Object.entries(radii.counts(view.rho)).map(([status, count]) => `${count} ${status}`);
    const told = `Certified map at radius ${shown(view.rho)}: of its ${radii.cells}, ${counted.join(", ")}`;
    certified.setAttribute("aria-label", told);
  });
  const range = [result.heatmap.value_min, result.heatmap.value_max].map((share) => share.toFixed(2)).join(" to ");
  const states = { salient: "salient", "not-salient": "not salient", undecided: "undecided, left as it is" };
  return make(
    "div",
    { class: "pictures" },
    figure("Image", image, box(view, false), ["as the model receives it"]),
    figure("Heat map", map, box(view, false), [swatch("heat", `share of votes, ${range}`)]),
    figure("Certified map", certified, box(view, changeable), Object.entries(states).map((state) => swatch(...state))),
  );
}

/** The least share of the most salient cells that certainly lies in the region, and the sentence that says so. */
export function bound(shownJob, view) {
  const figure = make("strong");
  const sentence = make("span");
  view.watch(() => {
    const { percent, text } = claim(shownJob, view);
    figure.textContent = `${percent} %`;
    sentence.textContent = text;
  });
  return make("p", { class: "bound" }, figure, sentence);
}

const swatch = (name, text) => make("span", { class: `swatch ${name}` }, text);

function figure(title, canvas, sheet, legend) {
  const frame = make("div", { class: "frame" }, canvas, sheet);
  return make("figure", {}, make("figcaption", {}, title), frame, make("p", { class: "legend" }, legend));
}
