import { useCallback, useMemo } from "react";
import { useLocation } from "wouter";
import { useLocationProperty } from "wouter/use-browser-location";

import { type Example, readMix, type Weights, writeWeights } from "../query/mix";
import { hasWords } from "../query/tokens";

/** What the address says: everything that makes a view the same when it is shared. */
export interface View {
  /** The query, in the query language. */
  q: string;
  /** Images to look for the like of. */
  examples: readonly Example[];
  /** How much the words count beside them. */
  weights: Weights;
  sort: string | null;
  collection: string | null;
  /** The image that is open. */
  image: string | null;
}

export function readView(search: string): View {
  const found = new URLSearchParams(search);
  return {
    q: found.get("q") ?? "",
    ...readMix(found),
    sort: found.get("sort"),
    collection: found.get("in"),
    image: found.get("image"),
  };
}

/** A view of everything, to change what should be else. */
export const ALL: View = readView("");

/** Whether hits are in the order of a match, rather than only fulfil conditions. */
export function isRanked({ q, examples }: View): boolean {
  return examples.length > 0 || hasWords(q);
}

export function writeView(view: View): string {
  const { q, examples, weights, sort, collection, image } = view;
  const named: [string, string | null][] = [
    ["q", q],
    ...examples.map((one): [string, string] => [one.kind, one.of]),
    ["w", writeWeights(examples, weights)],
    ["sort", sort],
    ["in", collection],
    ["image", image],
  ];
  const given = named.filter((one): one is [string, string] => Boolean(one[1]));
  return given.length > 0 ? `/?${new URLSearchParams(given)}` : "/";
}

export function useView(): {
  view: View;
  /** Goes to the view with these changes; `replace` leaves no step to go back to. */
  go: (changes: Partial<View>, options?: { replace?: boolean }) => void;
  hrefOf: (changes: Partial<View>) => string;
} {
  // As it stands in the address: what wouter gives is decoded once already, and a folder's address
  // holds signs that must be decoded once only.
  const search = useLocationProperty(() => location.search);
  const [, navigate] = useLocation();
  const view = useMemo(() => readView(search), [search]);
  const hrefOf = useCallback(
    (changes: Partial<View>) => writeView({ ...view, ...changes }),
    [view],
  );
  const go = useCallback(
    (changes: Partial<View>, options?: { replace?: boolean }) => {
      navigate(hrefOf(changes), { replace: options?.replace ?? false });
    },
    [hrefOf, navigate],
  );
  return { view, go, hrefOf };
}
