import { type KeyboardEvent, useCallback } from "react";

import type { Feed, Picture } from "./feed";
import type { Layout } from "./layout";
import { HEADER_LINE } from "./place";

/** What letters do to the image that has the focus. */
type Letters = Record<string, ((picture: Picture) => void) | null>;

/** Arrow keys: left and right along the list, up and down to what is above and below. */
export function useMoving(
  feed: Feed,
  layout: Layout,
  margin: number,
  setActive: (id: string) => void,
) {
  const reveal = useCallback(
    (picture: Picture) => {
      const place = feed.find(picture.id);
      if (!place) return;
      const { items } = layout;
      const found = items.find(
        (one) =>
          one.kind === "row" &&
          one.section === place.section &&
          one.row.start <= place.index &&
          place.index < one.row.end,
      );
      if (!found) return;
      const top = found.top + margin;
      const above = window.scrollY + HEADER_LINE + 10;
      const below = window.scrollY + window.innerHeight - 10;
      if (top < above) window.scrollTo({ top: top - HEADER_LINE - 10 });
      else if (top + found.height > below) {
        window.scrollTo({ top: top + found.height - window.innerHeight + 10 });
      }
      setActive(picture.id);
      // The row may be drawn only in the next frame.
      requestAnimationFrame(() => requestAnimationFrame(() => focusOn(picture.id)));
    },
    [feed, layout, margin, setActive],
  );
  const move = useCallback(
    (event: KeyboardEvent, letters: Letters) => {
      const id = (event.target as HTMLElement).dataset?.id;
      const place = id ? feed.find(id) : null;
      if (!place || event.metaKey || event.ctrlKey || event.altKey) return;
      const to = target(feed, layout, place, event.key);
      const letter = letters[event.key];
      if (letter) {
        const picture = feed.at(place);
        if (picture) letter(picture);
      } else if (to === "before" || to === "after") {
        event.preventDefault();
        void feed.step(place, to === "after" ? 1 : -1).then((found) => found && reveal(found));
      } else if (to) {
        event.preventDefault();
        reveal(to);
      }
    },
    [feed, layout, reveal],
  );
  return { move, reveal };
}

function focusOn(id: string) {
  document
    .querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`)
    ?.focus({ preventScroll: true });
}

function target(
  feed: Feed,
  layout: Layout,
  place: { section: number; index: number },
  key: string,
): Picture | "before" | "after" | null {
  if (key === "ArrowRight") return "after";
  if (key === "ArrowLeft") return "before";
  if (key === "Home") return feed.at({ section: 0, index: 0 });
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const rows = layout.items.filter((one) => one.kind === "row");
  const at = rows.findIndex(
    ({ section, row }) =>
      section === place.section && row.start <= place.index && place.index < row.end,
  );
  const here = rows[at];
  const next = rows[at + (key === "ArrowDown" ? 1 : -1)];
  if (!here || !next) return null;
  const left = here.row.widths.slice(0, place.index - here.row.start).reduce((a, b) => a + b, 0);
  const centre = left + here.row.widths[place.index - here.row.start]! / 2;
  let passed = 0;
  let column = 0;
  for (const [index, width] of next.row.widths.entries()) {
    column = index;
    passed += width;
    if (passed >= centre) break;
  }
  return feed.at({ section: next.section, index: next.row.start + column });
}
