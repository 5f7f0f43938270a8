import { folderQuery } from "../filters/folders";
import { condition, FIELDS, PRESENCE } from "../query/tokens";

/** What may follow what was typed. Pure. */

export interface Suggestion {
  kind: "past" | "field" | "value" | "tag" | "search";
  /** What stands on it. */
  said: string;
  /** A count or a word of explanation. */
  aside?: string;
  /** The text of the input once it is taken, and a chip if it makes one. */
  words: string;
  chip?: string;
  /** Whether taking it also searches. */
  searches: boolean;
}

export type Values = Partial<Record<string, { value: string; count: number }[]>>;

/** What is typed, and the facet that knows its values. */
export const FACET_OF: Record<string, string> = {
  camera: "camera",
  make: "camera",
  model: "camera",
  lens: "lens",
  tag: "keywords",
  format: "format",
  orientation: "orientation",
  folder: "folders",
};

const MOST = 8;

/** The last word, up to the end of the text, with what stands before it. */
export function lastWord(text: string): { before: string; last: string } {
  const found = /^(.*?)(\S*(?:"[^"]*)?)$/s.exec(text);
  const quoted = /^(.*\s|)(-?[A-Za-z]+:"[^"]*)$/s.exec(text);
  if (quoted) return { before: quoted[1] ?? "", last: quoted[2] ?? "" };
  return { before: found?.[1] ?? "", last: found?.[2] ?? "" };
}

export function fieldOf(last: string): { minus: boolean; field: string; typed: string } | null {
  const found = /^(-?)([A-Za-z]+):"?(.*)$/.exec(last);
  if (!found) return null;
  return { minus: found[1] === "-", field: found[2]!.toLowerCase(), typed: found[3]! };
}

export interface Known {
  values: Values;
  past: readonly string[];
  explain: (field: string) => string;
  folder: (value: string) => string;
  year: number;
}

export function suggest(text: string, known: Known): Suggestion[] {
  const { before, last } = lastWord(text);
  const asked = fieldOf(last);
  if (asked) return ofField(before, asked, known);
  const plain = last.replace(/^-/, "").toLowerCase();
  const whole = text.trim().toLowerCase();
  const past = known.past
    .filter((one) => one.toLowerCase().startsWith(whole) && one.toLowerCase() !== whole)
    .slice(0, whole ? 3 : MOST)
    .map(
      (one): Suggestion => ({ kind: "past", said: one, words: one, searches: true }),
    );
  if (!plain) return past;
  const minus = last.startsWith("-") ? "-" : "";
  const fields = FIELDS.filter((field) => field.startsWith(plain)).map(
    (field): Suggestion => ({
      kind: "field",
      said: `${minus}${field}:`,
      aside: known.explain(field),
      words: `${before}${minus}${field}:`,
      searches: false,
    }),
  );
  const named = ["keywords", "camera", "lens", "folders"].flatMap((facet) =>
    matching(known.values[facet] ?? [], plain, facet === "folders" ? known.folder : String, 3).map(
      ({ value, count }): Suggestion => {
        const field = facet === "keywords" ? "tag" : facet === "folders" ? "folder" : facet;
        return {
          kind: facet === "keywords" ? "tag" : "value",
          said: `${minus}${field}: ${facet === "folders" ? known.folder(value) : value}`,
          aside: String(count),
          words: before.trim(),
          chip: condition(field, facet === "folders" ? folderQuery(value) : value, Boolean(minus)),
          searches: true,
        };
      },
    ),
  );
  return [...past, ...fields, ...(plain.length > 1 ? named : [])].slice(0, MOST);
}

function ofField(
  before: string,
  { minus, field, typed }: { minus: boolean; field: string; typed: string },
  known: Known,
): Suggestion[] {
  const of = (value: string, said = value, aside?: string): Suggestion => ({
    kind: "value",
    said: `${minus ? "-" : ""}${field}: ${said}`,
    ...(aside === undefined ? {} : { aside }),
    words: before.trim(),
    chip: condition(field, value, minus),
    searches: true,
  });
  if (field === "has") {
    return PRESENCE.filter((one) => one.startsWith(typed.toLowerCase())).map((one) => of(one));
  }
  if (field === "taken") {
    const years = [known.year, known.year - 1, known.year - 2].map(String);
    return years.filter((one) => one.startsWith(typed)).map((one) => of(one));
  }
  const facet = FACET_OF[field];
  if (!facet) return [];
  const say = facet === "folders" ? known.folder : String;
  return matching(known.values[facet] ?? [], typed.toLowerCase(), say, MOST).map(
    ({ value, count }) =>
      of(facet === "folders" ? folderQuery(value) : value, say(value), String(count)),
  );
}

function matching(
  values: { value: string; count: number }[],
  typed: string,
  say: (value: string) => string,
  most: number,
) {
  const words = typed.split(/\s+/).filter(Boolean);
  return values
    .filter(({ value }) => {
      const said = say(value).toLowerCase();
      return words.every((word) => said.split(/[\s/_-]+/).some((part) => part.startsWith(word)));
    })
    .slice(0, most);
}
