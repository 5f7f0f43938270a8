/** The images that are looked for the like of, and how much each part of a search counts. Pure. */

export const KINDS = ["like", "drop", "web"] as const;

export interface Example {
  /** An image of the catalog by its id, a dropped one by the name that this browser keeps it under,
   * or the address of one on the web. */
  kind: (typeof KINDS)[number];
  of: string;
  /** Below 0: less of what it shows. */
  weight: number;
}

/** What the words count, and how far the unwanted ones push away. */
export interface Weights {
  text: number;
  without: number;
}

export const EQUAL: Weights = { text: 1, without: 1 };

/** As many images as one search takes here: their chips and sliders still fit. */
export const MOST = 8;

const HEAVIEST = 10;

/** The examples that an address names, in its order, with the weights that it gives:
 * `words,image,…,without`. */
export function readMix(address: URLSearchParams): { examples: Example[]; weights: Weights } {
  const written = (address.get("w") ?? "").split(",").map(Number);
  const named = [...address].flatMap(([name, of]) => {
    const kind = KINDS.find((one) => one === name);
    return kind && of ? [{ kind, of }] : [];
  });
  const examples = named.slice(0, MOST).map((one, at) => {
    const given = (at < written.length - 2 && written[at + 1]) || 1;
    return { ...one, weight: Math.sign(given) * positive(Math.abs(given)) };
  });
  const last = written.length > 1 ? written.at(-1) : 1;
  return { examples, weights: { text: positive(written[0]), without: positive(last) } };
}

/** Null where all count the same: then nobody has to read it. */
export function writeWeights(examples: readonly Example[], weights: Weights): string | null {
  if (countSame(examples, weights)) return null;
  return [weights.text, ...examples.map((one) => one.weight), weights.without]
    .map((one) => Number(one.toPrecision(3)))
    .join(",");
}

export function countSame(examples: readonly Example[], { text, without }: Weights): boolean {
  return text === 1 && without === 1 && examples.every((one) => one.weight === 1);
}

/** The examples with more behind them, none twice; and how many found no place. */
export function joined(
  examples: readonly Example[],
  more: readonly Example[],
): { examples: Example[]; left: number } {
  const all = [...examples];
  for (const one of more) if (!holds(all, one)) all.push(one);
  return { examples: all.slice(0, MOST), left: Math.max(0, all.length - MOST) };
}

export function holds(examples: readonly Example[], { kind, of }: Omit<Example, "weight">): boolean {
  return examples.some((one) => one.kind === kind && one.of === of);
}

/** What changes when an example goes: with the last of them there is nothing to weigh any more. */
export function without(examples: readonly Example[], at: number) {
  const rest = examples.filter((_, index) => index !== at);
  return { examples: rest, ...(rest.length === 0 ? { weights: EQUAL } : {}) };
}

function positive(weight: number | undefined): number {
  return weight && weight > 0 ? Math.min(weight, HEAVIEST) : 1;
}
