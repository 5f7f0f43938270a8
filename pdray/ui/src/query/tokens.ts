/** A query as the parts that a person sees: chips for conditions, text for the rest. */

/** What has:… can ask for (pdray/search/language.py). */
export const PRESENCE = ["date", "place", "camera", "lens", "tag", "rating", "caption"];

export interface Chip {
  /** How it stands in the query. */
  raw: string;
  kind: "condition" | "without" | "phrase";
  minus: boolean;
  field: string | null;
  value: string;
}

export interface Parts {
  words: string;
  chips: Chip[];
}

const TOKEN = /(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"|(\S+))/g;

/** Takes a query apart. Chips come in their order; the words lose their place among them. */
export function split(query: string): Parts {
  const words: string[] = [];
  const chips: Chip[] = [];
  for (const [raw, sign, field, quoted, bare] of query.matchAll(TOKEN)) {
    const value = quoted ?? bare ?? "";
    const minus = sign === "-";
    if (field && !bare?.startsWith("//")) {
      chips.push({ raw, kind: "condition", minus, field: field.toLowerCase(), value });
    } else if (minus && value) {
      chips.push({ raw, kind: "without", minus, field: null, value });
    } else if (quoted) {
      chips.push({ raw, kind: "phrase", minus, field: null, value });
    } else {
      words.push(raw);
    }
  }
  return { words: words.join(" "), chips };
}

export function join(words: string, chips: readonly Pick<Chip, "raw">[]): string {
  return [words.trim(), ...chips.map((chip) => chip.raw)].filter(Boolean).join(" ");
}

/** A condition as it is typed; quotes hold spaces together. */
export function condition(field: string, value: string, minus = false): string {
  const safe = value.replaceAll('"', " ").trim();
  const quoted = /[\s"]/.test(safe) || safe === "" ? `"${safe}"` : safe;
  return `${minus ? "-" : ""}${field}:${quoted}`;
}

/** The conditions alone: what browsing, counting and the timeline take. */
export function conditionsOf(query: string): string {
  const { chips } = split(query);
  return join("", chips.filter((chip) => chip.kind === "condition"));
}

/** Whether anything in the query is ranked, rather than only narrowed. */
export function hasWords(query: string): boolean {
  const { words, chips } = split(query);
  return words !== "" || chips.some((chip) => chip.kind !== "condition");
}

/** The query with conditions of `field` replaced by `value`, or without any where it is null. */
export function withField(query: string, field: string, value: string | null): string {
  const { words, chips } = split(query);
  const kept = chips.filter((chip) => chip.minus || chip.field !== field);
  const more = value === null ? [] : [{ raw: condition(field, value) }];
  return join(words, [...kept, ...more]);
}

/** The query with one condition more, or without it where it was there. */
export function toggled(query: string, field: string, value: string): string {
  const { words, chips } = split(query);
  const kept = chips.filter((chip) => !(chip.field === field && chip.value === value && !chip.minus));
  const more = kept.length < chips.length ? [] : [{ raw: condition(field, value) }];
  return join(words, [...kept, ...more]);
}

export function valuesOf(query: string, field: string): string[] {
  return split(query)
    .chips.filter((chip) => chip.field === field && !chip.minus)
    .map((chip) => chip.value);
}

/** (from, to) of a bound as it is typed: `a..b`, `>=a`, `<=b`, `a`. */
export function bounds(value: string): [string, string] {
  if (value.startsWith(">=")) return [value.slice(2), ""];
  if (value.startsWith("<=")) return ["", value.slice(2)];
  if (/^[<>]/.test(value)) return ["", ""];
  const [from = "", to] = value.split("..");
  return to === undefined ? [from, from] : [from, to];
}

/** The bound of two ends, or null where neither is given. */
export function bound(from: string, to: string): string | null {
  if (!from && !to) return null;
  if (from === to) return from;
  if (!to) return `>=${from}`;
  if (!from) return `<=${to}`;
  return `${from}..${to}`;
}
