/** Rows of equal height that fill the width, as a contact sheet has them. Pure. */

export interface Sized {
  width?: number | null;
  height?: number | null;
}

export interface Row {
  /** The first image of the row, and the one after its last. */
  start: number;
  end: number;
  height: number;
  widths: number[];
}

export interface Measure {
  width: number;
  /** The height that rows come close to. */
  target: number;
  gap: number;
}

const NARROWEST = 0.5;
const WIDEST = 3;

/** Width over height, kept from making slivers of panoramas and strips. */
export function aspect(image: Sized): number {
  const found = image.width && image.height ? image.width / image.height : 1;
  return Math.min(WIDEST, Math.max(NARROWEST, found));
}

export function meanAspect(images: readonly Sized[]): number {
  if (images.length === 0) return 1.3;
  return images.reduce((sum, image) => sum + aspect(image), 0) / images.length;
}

/** The rows of `images`. The last one is left out while it isn't full and `complete` is false. */
export function justify(images: readonly Sized[], measure: Measure, complete: boolean): Row[] {
  const { width, target, gap } = measure;
  const rows: Row[] = [];
  let start = 0;
  let sum = 0;
  for (let end = 1; end <= images.length; end++) {
    const before = sum;
    sum += aspect(images[end - 1]!);
    const count = end - start;
    if (heightOf(sum, count, width, gap) > target) continue;
    // Whichever comes closer: with this image, or without it.
    const with_ = heightOf(sum, count, width, gap);
    const without = heightOf(before, count - 1, width, gap);
    const keep = count === 1 || target - with_ <= without - target;
    const stop = keep ? end : end - 1;
    rows.push(rowOf(images, start, stop, keep ? with_ : without, width, gap));
    start = stop;
    sum = keep ? 0 : aspect(images[end - 1]!);
  }
  if (start < images.length && complete) {
    const filled = heightOf(sum, images.length - start, width, gap);
    // A row that is nearly full is filled; another keeps its height and ends where it ends.
    const height = filled <= target * 1.25 ? filled : target;
    rows.push(rowOf(images, start, images.length, height, height === filled ? width : null, gap));
  }
  return rows;
}

/** About how high `count` images will be that aren't known yet. */
export function guessHeight(count: number, mean: number, measure: Measure): number {
  const { width, target, gap } = measure;
  const across = Math.max(1, (width + gap) / (target * mean + gap));
  return Math.ceil(count / across) * (target + gap);
}

function heightOf(sum: number, count: number, width: number, gap: number): number {
  return count === 0 ? Infinity : (width - gap * (count - 1)) / sum;
}

function rowOf(
  images: readonly Sized[],
  start: number,
  end: number,
  height: number,
  width: number | null,
  gap: number,
): Row {
  const rounded = Math.round(height);
  const widths = [];
  let left = width === null ? Infinity : width - gap * (end - start - 1);
  for (let at = start; at < end; at++) {
    const last = at === end - 1 && width !== null;
    const wide = last ? left : Math.min(left, Math.round(aspect(images[at]!) * height));
    widths.push(Math.max(1, wide));
    left -= wide;
  }
  return { start, end, height: rounded, widths };
}
