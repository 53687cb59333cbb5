/** Light or dark: as the system has it, unless chosen here; the choice is kept. */

import { byId } from "./element.js";

const PLACE = "surety-theme";

export function start() {
  const choice = byId("theme");
  choice.value = localStorage.getItem(PLACE) ?? "auto";
  const apply = () => {
    document.documentElement.dataset.theme = choice.value;
    localStorage.setItem(PLACE, choice.value);
  };
  choice.addEventListener("change", apply);
  apply();
}
