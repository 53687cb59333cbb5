/** The certified share against the radius, beside the bound as it was printed. */

import { draw, make } from "./element.js";
import { round, shown } from "./radii.js";

const [WIDTH, HEIGHT] = [520, 300];
const EDGE = { left: 60, right: 16, top: 16, bottom: 44 };
const SHARES = [0, 0.25, 0.5, 0.75, 1];
const RADII = 5;
// Rounded down: what is certified at a radius is so at every smaller one.
const down = (rho) => shown(Math.floor(10000 * rho + 1e-9) / 10000);
const percent = (share) => `${Math.floor(100 * share + 1e-9)} %`;

/** The plot, with a line at the radius that is looked at, and the same as a table. */
export function curve(points, view, title) {
  const last = points.at(-1).rho;
  const x = (rho) => EDGE.left + (Math.min(rho, last) / last) * (WIDTH - EDGE.left - EDGE.right);
  const y = (share) => EDGE.top + (1 - share) * (HEIGHT - EDGE.top - EDGE.bottom);
  const printed = points.every((point) => point.overlap_as_printed !== null);
  const floor = HEIGHT - EDGE.bottom;
  const here = draw("line", { class: "here", y1: EDGE.top, y2: floor });
  view.watch(() => ["x1", "x2"].forEach((end) => here.setAttribute(end, x(view.rho))));
  const label = `${title}. ${told(points, printed)}`;
  const plot = draw(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "curve" },
    SHARES.map((share) => [
      draw("line", { class: "rule", x1: x(0), x2: x(last), y1: y(share), y2: y(share) }),
      draw("text", { x: EDGE.left - 8, y: y(share) + 4, "text-anchor": "end" }, percent(share)),
    ]).flat(),
    multiples(last).map((rho) => draw("text", { x: x(rho), y: floor + 18, "text-anchor": "middle" }, shown(rho))),
    draw("text", { x: x(last / 2), y: HEIGHT - 6, "text-anchor": "middle" }, "radius (l2, pixel values from 0 to 1)"),
    printed ? draw("path", { class: "printed", d: steps(points, (point) => point.overlap_as_printed, x, y) }) : null,
    draw("path", { class: "ours", d: steps(points, (point) => point.overlap, x, y) }),
    here,
  );
  const line = (name, text) => make("span", { class: `line ${name}` }, text);
  const other = printed ? line("printed", "Levine et al. 2019, as printed") : null;
  const key = make("figcaption", { class: "legend" }, line("ours", "Surety"), other, line("here", "radius looked at"));
  return make("figure", { class: "plot" }, plot, key, table(points, printed));
}

/** Round radii from 0 to the last, at most five steps. */
function multiples(last) {
  const step = round(last / RADII);
  return Array.from({ length: Math.floor(last / step + 1e-9) + 1 }, (_, place) => place * step);
}

/** Between two points the later value, which holds for both: no line is above what is proven. */
function steps(points, share, x, y) {
  const [first, ...others] = points;
  return `M${x(first.rho)} ${y(share(first))}` + others.map((point) => `V${y(share(point))}H${x(point.rho)}`).join("");
}

function told(points, printed) {
  const end = points.findLast((point) => point.overlap > 0)?.rho ?? 0;
  const middle = points[Math.floor(points.length / 4)];
  const other = printed ? ` (${percent(middle.overlap_as_printed)} by the printed bound)` : "";
  const some = `something is certified up to radius ${down(end)}`;
  return `At radius ${down(middle.rho)} ${percent(middle.overlap)} are certified to stay${other}; ${some}.`;
}

function table(points, printed) {
  const names = printed ? ["Radius", "Surety", "As printed"] : ["Radius", "Surety"];
  const head = names.map((name) => make("th", { scope: "col" }, name));
  const rows = points.map(({ rho, overlap, overlap_as_printed: other }) => {
    const shares = (printed ? [overlap, other] : [overlap]).map((share) => make("td", {}, percent(share)));
    return make("tr", {}, make("th", { scope: "row" }, down(rho)), shares);
  });
  const whole = make("table", {}, make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows));
  const scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Curve as a table" }, whole);
  return make("details", {}, make("summary", {}, "The same as a table"), scroll);
}
