import type { Schemas } from "../api/client";
import { folderPath } from "../filters/folders";

/** What may follow what was typed: what was looked for before, and what the server proposes. Pure. */

export interface Suggestion {
  kind: "past" | "field" | "value";
  /** What stands on it. */
  said: string;
  /** A count or a word of explanation. */
  aside?: string | undefined;
  /** The text of the input once it is taken, and a chip if it makes one. */
  words: string;
  chip?: string;
}

const MOST = 8;

export function past(typed: string, queries: readonly string[]): Suggestion[] {
  const wanted = typed.trim().toLowerCase();
  return queries
    .filter((one) => one.toLowerCase().startsWith(wanted) && one.toLowerCase() !== wanted)
    .slice(0, wanted ? 3 : MOST)
    .map((one) => ({ kind: "past", said: one, words: one }));
}

export function proposed(
  completions: readonly Schemas["Completion"][],
  explain: (field: string) => string,
  language: string,
): Suggestion[] {
  return completions.map(({ query, insert, field, value, count }) => {
    const before = query.slice(0, query.length - insert.length);
    const name = field ?? "";
    if (value == null) {
      return { kind: "field", said: insert, aside: explain(name), words: `${before}${insert}` };
    }
    const shown = name === "folder" ? folderPath(value) : value;
    const minus = insert.startsWith("-") ? "-" : "";
    return {
      kind: "value",
      said: `${minus}${name}: ${shown}`,
      aside: count?.toLocaleString(language),
      words: before.trim(),
      chip: insert,
    };
  });
}
