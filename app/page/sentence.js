/** What the marked cells prove about the region, in one exact sentence. */

import { shown } from "./radii.js";
import { cells } from "./view.js";

/** The lower bound: `count` of `k` cells, and the words around it. */
export function claim({ result, radii }, view) {
  const count = radii.within(view.cellsOf(cells(result)), view.rho);
  const percent = Math.floor((100 * count) / radii.k + 1e-9);
  return { count, percent, text: count ? proven(result, radii, view, count, percent) : nothing(radii, view) };
}

function proven({ spec, target, samples }, { k, cells: noun, allowed_failures: failures }, view, count, percent) {
  const fresh = spec.compare === "observed";
  const confidence = Number((100 * spec.confidence).toFixed(6));
  const opening = `With ${confidence} % confidence over the random sampling${fresh ? " of both runs" : ""}`;
  const map = fresh ? `the map of a fresh run of ${samples} samples` : "the smoothed map";
  const size = `of l2 norm at most ${shown(view.rho)} (pixel values in [0,1])`;
  const change = fresh ? `any one change ${size}, fixed before that run is drawn` : `every change of the image ${size}`;
  const where = view.whole ? "are among those marked here" : "lie in this region";
  const but = failures ? ` All but at most ${failures} of the marked ones are rightly marked.` : "";
  const bound = `at least ${count} of the ${k} most salient ${noun} (${percent} %)`;
  return `${opening}, ${bound} of ${map} for ${target.label} ${where}, under ${change}.${but}`;
}

function nothing({ cells: noun }, view) {
  const where = view.whole ? "No single cell is" : "Nothing in this region is";
  const look = view.whole ? "a smaller radius" : "a smaller radius or a larger region";
  const help = `Look at ${look}; more samples or more noise certify more ${noun}.`;
  return `${where} certified salient at radius ${shown(view.rho)}. ${help}`;
}
