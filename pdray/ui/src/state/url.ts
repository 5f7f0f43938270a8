import { useCallback, useMemo } from "react";
import { useLocation } from "wouter";
import { useLocationProperty } from "wouter/use-browser-location";

import { hasWords } from "../query/tokens";

/** What the address says: everything that makes a view the same when it is shared. */
export interface View {
  /** The query, in the query language. */
  q: string;
  /** An image of the catalog to look for the like of. */
  like: string | null;
  /** A dropped image, by the name that this browser keeps it under. */
  drop: string | null;
  /** The address of an image on the web, which the server looks up. */
  web: string | null;
  /** How much the parts count (query/weights.ts). */
  weights: string | null;
  sort: string | null;
  collection: string | null;
  /** The image that is open. */
  image: string | null;
}

const NAMES: Record<keyof View, string> = {
  q: "q",
  like: "like",
  drop: "drop",
  web: "web",
  weights: "w",
  sort: "sort",
  collection: "in",
  image: "image",
};

export function readView(search: string): View {
  const found = new URLSearchParams(search);
  return {
    q: found.get("q") ?? "",
    like: found.get("like"),
    drop: found.get("drop"),
    web: found.get("web"),
    weights: found.get("w"),
    sort: found.get("sort"),
    collection: found.get("in"),
    image: found.get("image"),
  };
}

/** A view of everything, to change what should be else. */
export const ALL: View = readView("");

/** Whether hits are in the order of a match, rather than only fulfil conditions. */
export function isRanked({ q, like, drop, web }: View): boolean {
  return like !== null || drop !== null || web !== null || hasWords(q);
}

export function writeView(view: View): string {
  const parts = new URLSearchParams();
  for (const key of Object.keys(NAMES) as (keyof View)[]) {
    const value = view[key];
    if (value) parts.set(NAMES[key], value);
  }
  const text = parts.toString();
  return text ? `/?${text}` : "/";
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
