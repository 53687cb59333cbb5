/** The colours and patterns of the maps; all of them can be told apart without seeing colours. */

// Okabe and Ito. Salient cells are striped as well, cells certified not salient are dotted, the others are left alone.
export const STATUS = { salient: [213, 94, 0], "not salient": [0, 114, 178] };
const PATTERN = 8;

// Viridis (matplotlib, CC0) at ten equal steps.
const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37],
];

/** The colour of a share from 0 to 1. */
export function viridis(share) {
  const place = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const [low, high] = [VIRIDIS[Math.floor(place)], VIRIDIS[Math.ceil(place)]];
  return low.map((value, channel) => Math.round(value + (high[channel] - value) * (place % 1)));
}

/** The pattern of a status, to be filled with. */
export function pattern(pen, status) {
  const tile = new OffscreenCanvas(PATTERN, PATTERN);
  const brush = tile.getContext("2d");
  if (status === "salient") {
    brush.strokeStyle = "rgb(60 20 0 / 0.75)";
    brush.lineWidth = 1.5;
    for (const start of [-PATTERN, 0, PATTERN]) {
      brush.moveTo(start, PATTERN);
      brush.lineTo(start + PATTERN, 0);
    }
    brush.stroke();
  } else {
    brush.fillStyle = "rgb(255 255 255 / 0.7)";
    brush.arc(PATTERN / 2, PATTERN / 2, 1.2, 0, 2 * Math.PI);
    brush.fill();
  }
  return pen.createPattern(tile, "repeat");
}
