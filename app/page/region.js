/** The region: a box of cells, drawn with the mouse or a finger, moved with the arrow keys, or typed. */

import { make } from "./element.js";

const KEYS = "Arrow keys move it, Shift with arrow keys resizes it, Home takes the whole picture.";
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The box over a picture. Where it can be changed, it takes the focus, the pointer and the keys. */
export function box(view, changeable) {
  const shown = make("div", { class: "box" });
  const sheet = make("div", { class: changeable ? "sheet changeable" : "sheet" }, shown);
  view.watch(() => {
    const { left, top, right, bottom } = view.place;
    const edges = { left, top, right: 1 - right, bottom: 1 - bottom };
    for (const [edge, share] of Object.entries(edges)) shown.style[edge] = `${100 * share}%`;
    shown.classList.toggle("whole", view.whole);
    if (changeable) sheet.setAttribute("aria-label", `Region of the map. ${words(view)}. ${KEYS}`);
  });
  if (changeable) {
    sheet.setAttribute("role", "application");
    sheet.tabIndex = 0;
    sheet.addEventListener("keydown", (event) => pressed(event, view));
    drawn(sheet, view);
  }
  return sheet;
}

/** Where the region is, for those who do not see it. Columns and rows are counted from 1. */
export function words({ region: { left, top, width, height } }) {
  return `Columns ${left + 1} to ${left + width}, rows ${top + 1} to ${top + height}`;
}

/** The same as four numbers. */
export function numbers(view) {
  const { columns, rows } = view.grid;
  const parts = {
    left: ["First column", columns, 1],
    top: ["First row", rows, 1],
    width: ["Columns", columns, 0],
    height: ["Rows", rows, 0],
  };
  const fields = Object.entries(parts).map(([part, [label, most, first]]) => {
    const input = make("input", { type: "number", min: 1, max: most, step: 1 });
    const give = () => view.set({ region: view.fit({ ...view.region, [part]: input.value - first }) });
    input.addEventListener("change", give);
    view.watch(() => (input.value = view.region[part] + first));
    return make("label", {}, label, input);
  });
  const all = make("button", { type: "button", onclick: () => view.set({ region: whole(view) }) }, "Whole picture");
  return make("fieldset", { class: "numbers" }, make("legend", {}, "Region"), ...fields, all);
}

const whole = (view) => view.fit({ width: view.grid.columns, height: view.grid.rows });

function pressed(event, view) {
  if (event.key === "Home") view.set({ region: whole(view) });
  else if (event.key in STEPS) {
    const [x, y] = STEPS[event.key];
    const { left, top, width, height } = view.region;
    const most = { columns: view.grid.columns - left, rows: view.grid.rows - top };
    const resized = { left, top, width: Math.min(most.columns, width + x), height: Math.min(most.rows, height + y) };
    view.set({ region: view.fit(event.shiftKey ? resized : { left: left + x, top: top + y, width, height }) });
  } else return;
  event.preventDefault();
}

function drawn(sheet, view) {
  const { columns, rows, across, down } = view.grid;
  let from = null;
  const cell = (event) => {
    const { left, top, width, height } = sheet.getBoundingClientRect();
    const place = (share, part, all) => Math.min(all - 1, Math.max(0, Math.floor(share / part)));
    return [place((event.clientX - left) / width, across, columns), place((event.clientY - top) / height, down, rows)];
  };
  const stretch = (event) => {
    if (!from) return;
    const to = cell(event);
    const [left, top] = [0, 1].map((axis) => Math.min(from[axis], to[axis]));
    const [width, height] = [0, 1].map((axis) => Math.abs(from[axis] - to[axis]) + 1);
    view.set({ region: view.fit({ left, top, width, height }) });
  };
  sheet.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button) return;
    sheet.setPointerCapture(event.pointerId);
    from = cell(event);
    stretch(event);
  });
  sheet.addEventListener("pointermove", stretch);
  for (const end of ["pointerup", "pointercancel"]) sheet.addEventListener(end, () => (from = null));
}
