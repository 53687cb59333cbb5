/** One picture of a result: the image, and over it a layer with one colour for each cell. */

import { STATUS, pattern, viridis } from "./colours.js";

const SIDE = 480;

/** A canvas of the image's shape, big enough that patterns can be seen on small images. */
export function canvasFor(input, label) {
  const canvas = document.createElement("canvas");
  const scale = SIDE / Math.max(input.width, input.height);
  canvas.width = Math.round(input.width * scale);
  canvas.height = Math.round(input.height * scale);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

/** Draw the image, and each layer (a canvas with one pixel for each cell) at this opacity. */
export function compose(canvas, input, grid, opacity, layers) {
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.globalAlpha = 1;
  pen.drawImage(input, 0, 0, canvas.width, canvas.height);
  pen.globalAlpha = opacity;
  const size = [grid.columns * grid.across * canvas.width, grid.rows * grid.down * canvas.height];
  for (const { cells, status } of layers) pen.drawImage(status ? textured(cells, size, status) : cells, 0, 0, ...size);
}

/** The heat map in colour; its lightness grows with the share of votes. */
export function heatLayer(heat) {
  const canvas = new OffscreenCanvas(heat.width, heat.height);
  const pen = canvas.getContext("2d");
  pen.drawImage(heat, 0, 0);
  const pixels = pen.getImageData(0, 0, heat.width, heat.height);
  for (let at = 0; at < pixels.data.length; at += 4) pixels.data.set(viridis(pixels.data[at] / 255), at);
  pen.putImageData(pixels, 0, 0);
  return { cells: canvas };
}

/** The cells of each certified status at a radius. */
export function statusLayers(radii, rho) {
  return Object.entries(STATUS).map(([status, colour]) => {
    const canvas = new OffscreenCanvas(radii.columns, radii.rows);
    const pen = canvas.getContext("2d");
    const pixels = pen.createImageData(radii.columns, radii.rows);
    for (let at = 0; at < radii.rows * radii.columns; at += 1) {
      const here = radii.status(Math.floor(at / radii.columns), at % radii.columns, rho) === status;
      if (here) pixels.data.set([...colour, 255], 4 * at);
    }
    pen.putImageData(pixels, 0, 0);
    return { cells: canvas, status };
  });
}

function textured(cells, [width, height], status) {
  const canvas = new OffscreenCanvas(Math.ceil(width), Math.ceil(height));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(cells, 0, 0, width, height);
  pen.globalCompositeOperation = "source-atop";
  pen.fillStyle = pattern(pen, status);
  pen.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}
