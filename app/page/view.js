/** How results are looked at: one radius, one opacity, one region for all that are shown. */

/** The cells over a result's picture: how many, and which part of a side one takes. Those at the edge may stick out. */
export function cells({ heatmap, provenance, spec }) {
  const [, height, width] = provenance.input_shape;
  const size = spec.granularity.size ?? 1;
  return { columns: heatmap.width, rows: heatmap.height, across: size / width, down: size / height };
}

export class View extends EventTarget {
  /** `region` is in cells of `grid`: left, top, width, height. */
  constructor(rho, grid) {
    super();
    Object.assign(this, { rho, grid, opacity: 0.75 });
    this.region = this.fit({ width: grid.columns, height: grid.rows });
  }

  set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event("change"));
  }

  /** Call now, and after each change. */
  watch(listener) {
    this.addEventListener("change", listener);
    listener();
  }

  get whole() {
    return this.region.width === this.grid.columns && this.region.height === this.grid.rows;
  }

  /** A region of whole cells inside the picture, at least one wide and high. */
  fit({ left = 0, top = 0, width, height }) {
    const within = (value, least, most) => Math.min(most, Math.max(least, Math.round(value) || 0));
    const { columns, rows } = this.grid;
    const side = { width: within(width, 1, columns), height: within(height, 1, rows) };
    return { left: within(left, 0, columns - side.width), top: within(top, 0, rows - side.height), ...side };
  }

  /** Where the region is, in shares of the picture's sides. */
  get place() {
    const { left, top, width, height } = this.region;
    const { across, down } = this.grid;
    const [right, bottom] = [Math.min(1, (left + width) * across), Math.min(1, (top + height) * down)];
    return { left: left * across, top: top * down, right, bottom };
  }

  /** The cells of another result's grid that lie in the region as a whole. */
  cellsOf({ columns, rows, across, down }) {
    const { left, top, right, bottom } = this.place;
    const first = (edge, part) => Math.ceil(edge / part - 1e-9);
    const after = (edge, part, all) => (edge >= 1 ? all : Math.floor(edge / part + 1e-9));
    const start = { left: first(left, across), top: first(top, down) };
    const end = { right: after(right, across, columns), bottom: after(bottom, down, rows) };
    return { ...start, width: Math.max(0, end.right - start.left), height: Math.max(0, end.bottom - start.top) };
  }
}
