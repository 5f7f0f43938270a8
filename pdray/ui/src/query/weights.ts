/** How much the parts of a search count, as the address says it: `words,image,without`. Pure. */

export interface Weights {
  text: number;
  /** Below 0: less of what the image shows. */
  image: number;
  without: number;
}

export const EQUAL: Weights = { text: 1, image: 1, without: 1 };

const MOST = 10;

export function readWeights(written: string | null): Weights {
  const [text, image, without] = (written ?? "").split(",").map(Number);
  return {
    text: positive(text),
    image: Math.sign(image || 1) * positive(Math.abs(image || 1)),
    without: positive(without),
  };
}

/** Null where all count the same: then nobody has to read it. */
export function writeWeights({ text, image, without }: Weights): string | null {
  if (text === 1 && image === 1 && without === 1) return null;
  return [text, image, without].map((one) => Number(one.toPrecision(3))).join(",");
}

function positive(weight: number | undefined): number {
  return weight && weight > 0 ? Math.min(weight, MOST) : 1;
}
