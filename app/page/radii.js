/** The radius map: which cells are certified salient, not salient or neither, at any radius. */

/** The radius as a multiple of 0.0001, rounded up: what is said of a larger radius holds for a smaller one. */
export const grid = (rho) => Math.ceil(Number((rho * 10000).toFixed(6))) / 10000;

/** The least of 1, 2, 5, 10, 20, ... ten-thousandths, and so on, that is not below this radius. */
export function round(rho) {
  const power = 10 ** Math.floor(Math.log10(Math.max(rho, 0.0001)) + 1e-9);
  return [1, 2, 5, 10].map((times) => grid(times * power)).find((one) => one >= rho - 1e-9);
}

/** A radius in words, without trailing zeros. */
export const shown = (rho) => String(Number(rho.toFixed(4)));

export class Radii {
  constructor(document) {
    Object.assign(this, document);
  }

  /** "salient", "not salient" or "undecided". A radius of 0 is no certificate, null is one without end. */
  status(row, column, rho) {
    if (reaches(this.salient[row][column], rho)) return "salient";
    return reaches(this.not_salient[row][column], rho) ? "not salient" : "undecided";
  }

  /** How many cells have each status. */
  counts(rho) {
    const counted = { salient: 0, "not salient": 0, undecided: 0 };
    for (let row = 0; row < this.rows; row += 1) {
      for (let column = 0; column < this.columns; column += 1) counted[this.status(row, column, rho)] += 1;
    }
    return counted;
  }

  /**
   * How many of the k most salient cells certainly lie in a region of cells: a lower bound.
   *
   * Cells that are certified salient are all in every top-k set at once, but for those that the intervals may fail on.
   * Where a cell of the picture stands for several channels it counts once, which can only be less.
   */
  within({ left, top, width, height }, rho) {
    let marked = 0;
    for (let row = top; row < top + height; row += 1) {
      for (let column = left; column < left + width; column += 1) marked += reaches(this.salient[row][column], rho);
    }
    return Math.max(0, marked - this.allowed_failures);
  }
}

const reaches = (radius, rho) => radius === null || (radius > 0 && radius >= rho);
