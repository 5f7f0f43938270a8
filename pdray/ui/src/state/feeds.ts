import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { onReturn } from "../api/connection";
import { queries } from "../api/queries";
import { Feed } from "../grid/feed";
import { browsing, searching } from "../grid/reading";
import { readWeights } from "../query/weights";
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
  const { q, like, drop, web, weights, sort, collection } = view;
  const name = JSON.stringify([q, like, drop, web, weights, sort, collection]);
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
        : new NamedFeed(name, readingOf({ ...ALL, q, like, drop, web, weights, sort, collection }));
    feeds.set(name, feed);
    for (const [old, gone] of [...feeds].slice(0, -KEPT)) {
      gone.close();
      feeds.delete(old);
    }
    return feed;
  }, [name, q, like, drop, web, weights, sort, collection]);
}

function readingOf(view: View) {
  return isRanked(view) ? searching((more) => bodyOf(view, more)) : browsing(view);
}

/** The view as the API is asked for it: JSON, or a form where an image goes with it. `more` is what
 * else is asked. Throws GoneImage. */
export async function bodyOf(view: View, more: Record<string, string | number> = {}) {
  const { q, like, drop, web, weights, sort, collection } = view;
  const asked: Record<string, unknown> = { ...more };
  if (q) asked.text = q;
  if (like) asked.image_id = like;
  if (web) asked.image_url = web;
  if (weights) asked.weights = readWeights(weights);
  if (sort) asked.sort = sort;
  if (collection) asked.collection = collection;
  if (!drop) return asked;
  const found = await findDropped(drop);
  if (!found) throw new GoneImage();
  const form = new FormData();
  for (const [name, value] of Object.entries(asked)) {
    form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  form.append("image", found.blob, "image");
  return form;
}

/** What the search box shows for the image that is looked for. */
export function useExample(view: View): { url: string | null; said: string } | null {
  const { t } = useTranslation();
  const { data: liked } = useQuery({ ...queries.image(view.like ?? ""), enabled: view.like !== null });
  const [dropped, setDropped] = useState<{ id: string; url: string; name: string } | null>(null);
  useEffect(() => {
    const id = view.drop;
    if (!id) return;
    let url: string | null = null;
    let alive = true;
    void findDropped(id).then((found) => {
      if (!found || !alive) return;
      url = URL.createObjectURL(found.blob);
      setDropped({ id, url, name: found.name });
    });
    return () => {
      alive = false;
      if (url) URL.revokeObjectURL(url);
    };
  }, [view.drop]);
  if (view.web) return { url: null, said: webName(view.web) };
  if (view.like) return { url: liked?.thumbnail ?? null, said: t("search.likeThis") };
  if (view.drop) {
    const known = dropped?.id === view.drop ? dropped : null;
    return { url: known?.url ?? null, said: known?.name || t("search.yourImage") };
  }
  return null;
}

function webName(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
