import { useThrottledCallback } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";

import { ApiProblem } from "../api/client";
import { useHappenings } from "../api/events";
import { queries } from "../api/queries";
import type { Feed, Snapshot } from "../grid/feed";
import { isRanked, type View } from "../state/url";

const REFRESH_MS = 2_000;

/** What isn't available yet is asked for again when the server says that it may be. */
export function useWaiting(feed: Feed, { error }: Snapshot) {
  const wait = error instanceof ApiProblem && error.status === 503 ? (error.retrySeconds ?? 5) : 0;
  useEffect(() => {
    if (!wait) return;
    const timer = setTimeout(feed.again, 1_000 * wait);
    return () => clearTimeout(timer);
  }, [feed, error, wait]);
}

/** New images show up by themselves where nobody has scrolled; elsewhere a button brings them. */
export function useFresh(feed: Feed, view: View): (() => void) | null {
  const client = useQueryClient();
  const [stale, setStale] = useState<Feed | null>(null);
  const still = !isRanked(view);
  const refresh = useThrottledCallback(() => {
    if (still && window.scrollY < 40 && !view.image) void feed.refresh();
    else setStale(feed);
    for (const key of ["facets", "collections"]) {
      void client.invalidateQueries({ queryKey: [key] });
    }
  }, REFRESH_MS);
  useHappenings(
    useCallback(
      (event) => {
        if (event.type === "hello" || event.type === "run") return;
        if (event.type === "edited") {
          for (const key of ["facets", "suggestions"]) {
            void client.invalidateQueries({ queryKey: [key] });
          }
          // What somebody else says of the image that is looked at shows at once.
          const seen = event.images.find((id) => id === view.image);
          if (seen) void client.fetchQuery({ ...queries.image(seen), staleTime: 0 });
          return;
        }
        if (event.type === "gap") refresh();
        else if (!view.collection || event.collection.name === view.collection) refresh();
      },
      [client, refresh, view.collection, view.image],
    ),
  );
  if (stale !== feed) return null;
  return () => {
    setStale(null);
    window.scrollTo({ top: 0 });
    void feed.refresh();
  };
}
