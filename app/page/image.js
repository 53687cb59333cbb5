/** The image to explain: dropped, chosen or a sample. It stays in memory until another one is chosen. */

import { byId } from "./element.js";
import { blob } from "./service.js";

const PREVIEW = 224;
let chosen = null;

/** The chosen image as a Blob, or null. */
export const image = () => chosen;

/** `onChoice(model)` is told of each choice; `model` is the one that a sample is meant for, else null. */
export function start(onChoice) {
  const take = async (file, name, model = null) => {
    chosen = file;
    await preview(file, name);
    onChoice(model);
  };
  const input = byId("file");
  input.addEventListener("change", () => input.files[0] && take(input.files[0], input.files[0].name));
  droppable(byId("drop"), (file) => take(file, file.name));
  for (const button of byId("ready").querySelectorAll("button")) {
    const name = button.dataset.sample;
    button.addEventListener("click", async () => take(await blob(`/page/samples/${name}`), name, "digits"));
  }
}

/** Give `onFile` the file that is dropped on `place`. */
export function droppable(place, onFile) {
  const over = (on) => (event) => {
    event.preventDefault();
    place.classList.toggle("over", on);
  };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  });
}

async function preview(file, name) {
  const canvas = byId("preview");
  const size = `${(file.size / 1024).toFixed(file.size < 10240 ? 1 : 0)} kB`;
  const picture = await createImageBitmap(file).catch(() => null);
  canvas.hidden = !picture;
  byId("drop").classList.add("filled");
  if (!picture) {
    byId("chosen").textContent = `${name}, ${size}. This browser cannot show it; the service may still read it.`;
    return;
  }
  byId("chosen").textContent = `${name}, ${picture.width} × ${picture.height} pixels, ${size}`;
  paint(canvas, picture, PREVIEW / Math.max(picture.width, picture.height));
  canvas.setAttribute("aria-label", `The chosen image, ${name}`);
}

/** Draw a picture on a canvas at this scale; enlarged pixels stay squares. */
export function paint(canvas, picture, scale = 1) {
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = scale < 1;
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
}
