import { useEffect, useMemo, useState } from "react";

import type { Schemas } from "../api/client";
import { onReturn } from "../api/connection";
import { Feed } from "../grid/feed";
import { browsing, searching } from "../grid/reading";
import { countSame } from "../query/mix";
import { findDropped, GoneImage } from "./dropped";
import { ALL, isRanked, type View } from "./url";

const KEPT = 6;
const feeds = new Map<string, NamedFeed>();

/** A feed with the name of what it shows. */
export class NamedFeed extends Feed {
  constructor(
    readonly name: string,
    reading: ConstructorParameters<typeof Feed>[0],
  ) {
    super(reading);
  }
}

/** What a view shows. Coming back to one that was just left finds it as it was. */
export function useFeed(view: View): NamedFeed {
  const { q, examples, weights, sort, collection } = view;
  const name = JSON.stringify([q, examples, weights, sort, collection]);
  const [again, setAgain] = useState(0);
  useEffect(() => onReturn(() => setAgain((count) => count + 1)), []);
  useEffect(() => {
    if (again > 0) feeds.get(name)?.again();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [again]);
  return useMemo(() => {
    const known = feeds.get(name);
    feeds.delete(name);
    const failed = known?.read().state === "failed";
    const feed =
      known && !failed
        ? known
        : new NamedFeed(name, readingOf({ ...ALL, q, examples, weights, sort, collection }));
    feeds.set(name, feed);
    for (const [old, gone] of [...feeds].slice(0, -KEPT)) {
      gone.close();
      feeds.delete(old);
    }
    return feed;
  }, [name, q, examples, weights, sort, collection]);
}

function readingOf(view: View) {
  return isRanked(view) ? searching((more) => bodyOf(view, more)) : browsing(view);
}

/** The view as the API is asked for it: JSON, or a form where images go with it. `more` is what
 * else is asked. Throws GoneImage. */
export async function bodyOf(view: View, more: Record<string, string | number> = {}) {
  const { q, examples, weights, sort, collection } = view;
  const asked: Record<string, unknown> = { ...more };
  const files: Blob[] = [];
  const mix: Partial<Schemas["MixPart"]>[] = [];
  for (const { kind, of, weight } of examples) {
    if (kind === "like") mix.push({ image_id: of, weight });
    else if (kind === "web") mix.push({ image_url: of, weight });
    else {
      const found = await findDropped(of);
      if (!found) throw new GoneImage(of);
      mix.push({ upload: files.push(found.blob) - 1, weight });
    }
  }
  if (q) asked.text = q;
  if (mix.length > 0) asked.mix = mix;
  if (!countSame([], weights)) asked.weights = weights;
  if (sort) asked.sort = sort;
  if (collection) asked.collection = collection;
  if (files.length === 0) return asked;
  const form = new FormData();
  for (const [name, value] of Object.entries(asked)) {
    form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  for (const file of files) form.append("image", file, "image");
  return form;
}
