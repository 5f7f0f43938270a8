import type { Section } from "./feed";
import { guessHeight, justify, type Measure, type Row } from "./justify";

/** Everything that the grid shows from top to bottom, with its place. Pure. */

export type Item = { top: number; height: number; section: number } & (
  | { kind: "header" }
  | { kind: "row"; row: Row }
  /** Images that aren't loaded yet, from `start` on. */
  | { kind: "block"; start: number; count: number }
);

export interface Layout {
  items: Item[];
  height: number;
  /** Where each section begins. */
  tops: number[];
}

const HEADER = 56;
const FIRST_HEADER = 34; // what is above the grid keeps the distance
const GUESS = 60; // images in the block below a list whose length isn't known

const cache = new WeakMap<readonly unknown[], { key: string; rows: Row[] }>();

function rowsOf(section: Section, measure: Measure): Row[] {
  const key = `${measure.width} ${measure.target} ${measure.gap} ${section.done}`;
  const known = cache.get(section.images);
  if (known?.key === key) return known.rows;
  const rows = justify(section.images, measure, section.done);
  cache.set(section.images, { key, rows });
  return rows;
}

export function layOut(sections: readonly Section[], measure: Measure, mean: number): Layout {
  const items: Item[] = [];
  const tops: number[] = [];
  let top = 0;
  const add = (item: Item) => {
    items.push(item);
    top += item.height;
  };
  for (const [at, section] of sections.entries()) {
    tops.push(top);
    if (section.done && section.images.length === 0) continue;
    if (section.span !== null) {
      add({ kind: "header", section: at, top, height: top === 0 ? FIRST_HEADER : HEADER });
    }
    const rows = rowsOf(section, measure);
    for (const row of rows) {
      add({ kind: "row", section: at, top, height: row.height + measure.gap, row });
    }
    if (section.done) continue;
    const start = rows.at(-1)?.end ?? 0;
    const left = section.count === null ? GUESS : Math.max(1, section.count - start);
    const height = guessHeight(left, mean, measure);
    add({ kind: "block", section: at, top, height, start, count: left });
  }
  return { items, height: top, tops };
}

/** The item at a height, by halving. */
export function itemAt(items: readonly Item[], y: number): number {
  let low = 0;
  let high = items.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (items[middle]!.top <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What is at a height, in words that hold in another layout of the same images. */
export interface Anchor {
  section: number;
  /** An image of the section (with a fraction within blocks); -1 for its header. */
  index: number;
  /** Pixels below the top of that row. */
  offset: number;
}

export function anchorAt(layout: Layout, y: number): Anchor | null {
  const item = layout.items[itemAt(layout.items, y)];
  if (!item) return null;
  const offset = y - item.top;
  switch (item.kind) {
    case "header":
      return { section: item.section, index: -1, offset };
    case "row":
      return { section: item.section, index: item.row.start, offset };
    case "block": {
      const index = item.start + (offset / item.height) * item.count;
      return { section: item.section, index, offset: 0 };
    }
  }
}

export function heightOfAnchor(layout: Layout, anchor: Anchor): number | null {
  const { items, tops } = layout;
  const first = tops[anchor.section];
  if (first === undefined) return null;
  if (anchor.index < 0) return first + anchor.offset;
  for (let at = itemAt(items, first); at < items.length; at++) {
    const item = items[at]!;
    if (item.section > anchor.section) break;
    if (item.kind === "row" && anchor.index < item.row.end && item.section === anchor.section) {
      return item.top + Math.min(anchor.offset, item.height);
    }
    if (item.kind === "block" && item.section === anchor.section) {
      const part = Math.min(1, Math.max(0, (anchor.index - item.start) / item.count));
      return item.top + part * item.height + anchor.offset;
    }
  }
  return first;
}
