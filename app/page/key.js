/** The API key: kept for this tab only, asked for when the service wants one. */

import { byId } from "./element.js";

const PLACE = "surety-key";
let asking = null;

/** The headers that show the key, if there is one. */
export function headers() {
  const key = sessionStorage.getItem(PLACE);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Ask for a key; true when one was given. Whoever asks meanwhile gets the same answer. */
export function ask(reason) {
  asking ??= opened(reason).finally(() => (asking = null));
  return asking;
}

function opened(reason) {
  const dialog = byId("key");
  const field = dialog.querySelector("input");
  byId("key-reason").textContent = reason;
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(kept(dialog.returnValue, field)), { once: true });
  });
}

function kept(answer, field) {
  const key = field.value.trim();
  field.value = "";
  if (answer === "forget") sessionStorage.removeItem(PLACE);
  if (answer !== "use" || !key) return false;
  sessionStorage.setItem(PLACE, key);
  return true;
}
