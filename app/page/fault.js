/** Errors, shown where the mistake is. */

import { make } from "./element.js";

/** Take away what was shown in this form. */
export function clear(form) {
  for (const shown of form.querySelectorAll(".fault")) shown.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    describe(field, field.dataset.described ?? "");
  }
  say(form, "");
}

/** Show a problem at the field that its pointer names, else at the end of the form; move the focus there. */
export function show(form, problem) {
  const place = nearest(form, problem.pointer ?? "");
  const field = place?.querySelector("input, select");
  if (!field) return say(form, problem.message);
  const id = `fault-${field.name || field.id}`;
  place.append(make("span", { class: "fault", id }, problem.message));
  field.setAttribute("aria-invalid", "true");
  field.dataset.described = field.getAttribute("aria-describedby") ?? "";
  describe(field, `${id} ${field.dataset.described}`.trim());
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

/** The field whose pointer is the longest that `pointer` begins with, or that begins with it. */
function nearest(form, pointer) {
  // Both certificates of the page's spec have the same radii and k.
  const asked = pointer.replace(/^\/spec\/certificates\/\d+/, "/spec/certificates/0");
  const within = (whole, part) => whole === part || whole.startsWith(`${part}/`);
  const length = (place) => place.dataset.pointer.length;
  const places = [...form.querySelectorAll("[data-pointer]")].sort((one, other) => length(other) - length(one));
  return (
    places.find((place) => within(asked, place.dataset.pointer)) ??
    (asked.split("/").length > 2 ? places.find((place) => within(place.dataset.pointer, asked)) : undefined)
  );
}

function describe(field, ids) {
  if (ids) field.setAttribute("aria-describedby", ids);
  else field.removeAttribute("aria-describedby");
}

function say(form, text) {
  const place = form.querySelector("[role=alert]");
  place.textContent = text;
  place.hidden = !text;
}
