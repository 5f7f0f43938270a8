import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect } from "react";

import { queries } from "../api/queries";
import type { Feed, Picture } from "../grid/feed";

export type Step = (by: 1 | -1) => void;

interface Stepping {
  id: string;
  feed: Feed;
  onStep: (id: string) => void;
}

/** To the next image of the list, or the one before. */
export function useStepping({ id, feed, onStep }: Stepping): Step {
  const client = useQueryClient();
  return useCallback(
    (by) => {
      const place = feed.find(id);
      if (!place) return;
      void feed.step(place, by).then((next) => {
        if (!next) return;
        onStep(next.id);
        void client.prefetchQuery(queries.similar(next.id));
      });
    },
    [id, feed, onStep, client],
  );
}

interface Does {
  onClose: () => void;
  onLike: (picture: Picture) => void;
  onAdd: ((picture: Picture) => void) | null;
}

export function useKeys(step: Step, { onClose, onLike, onAdd }: Does, picture: Picture | undefined) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
      if ((event.target as HTMLElement).closest("input, textarea, [role=menu]")) return;
      if (event.key === "ArrowRight") step(1);
      else if (event.key === "ArrowLeft") step(-1);
      else if (event.key === "Escape") onClose();
      else if (event.key === "s" && picture) onLike(picture);
      else if (event.key === "a" && picture && onAdd) onAdd(picture);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [step, onClose, onLike, onAdd, picture]);
}
