import { useCallback, useEffect, useRef, useState } from "react";

import type { Feed, Picture } from "../grid/feed";

export const MOST_CHOSEN = 1_000; // images that may be edited at once (serve/editing.py)

export interface Chosen {
  ids: ReadonlySet<string>;
  /** Chooses an image or lets it go; `upTo`: all from the one before to this one. */
  choose: (picture: Picture, upTo: boolean) => void;
  clear: () => void;
}

const NONE: ReadonlySet<string> = new Set();

/** The images of a feed that something is about to be done to. Another feed begins with none. */
export function useChosen(feed: Feed): Chosen {
  const [ids, setIds] = useState(NONE);
  const before = useRef<string | null>(null);
  const clear = useCallback(() => {
    before.current = null;
    setIds(NONE);
  }, []);
  useEffect(() => clear, [feed, clear]);
  const choose = useCallback(
    (picture: Picture, upTo: boolean) => {
      const from = before.current;
      before.current = picture.id;
      setIds((known) => {
        const found = new Set(known);
        if (upTo && from) for (const one of feed.between(from, picture.id)) found.add(one.id);
        else if (!found.delete(picture.id)) found.add(picture.id);
        return found.size > MOST_CHOSEN ? new Set([...found].slice(0, MOST_CHOSEN)) : found;
      });
    },
    [feed],
  );
  return { ids, choose, clear };
}
