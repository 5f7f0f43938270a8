import { useEffect, useLayoutEffect, useRef } from "react";

import type { Feed } from "./feed";
import { anchorAt, heightOfAnchor, itemAt, type Layout } from "./layout";

/** Where the window is in a grid: what it keeps in place, and what it has loaded. */

const LOOK_MS = 80;
const READING = 12; // pixels a millisecond: what a hand on the scroll bar passes faster isn't loaded

/** What is at the top of the window stays there when heights above it change. */
export function useSteadyPlace(layout: Layout, margin: number, feed: Feed) {
  const before = useRef<{ layout: Layout; margin: number; feed: Feed } | null>(null);
  useLayoutEffect(() => {
    const old = before.current;
    before.current = { layout, margin, feed };
    if (layout.items.length === 0) return;
    if (old?.feed !== feed || old.layout.items.length === 0) {
      window.scrollTo({ top: feed.scroll });
      return;
    }
    const y = window.scrollY + HEADER_LINE - old.margin;
    if (y <= HEADER_LINE || old.layout === layout) return;
    const anchor = anchorAt(old.layout, y);
    const now = anchor && heightOfAnchor(layout, anchor);
    if (now === null || now === undefined) return;
    const shift = now + margin - (y + old.margin);
    if (Math.abs(shift) >= 1) window.scrollBy({ top: shift, behavior: "instant" });
  }, [layout, margin, feed]);
  useEffect(() => {
    const note = () => {
      feed.scroll = window.scrollY;
    };
    window.addEventListener("scroll", note, { passive: true });
    return () => window.removeEventListener("scroll", note);
  }, [feed]);
}

export const HEADER_LINE = 70; // below the fixed header

/** Loads the blocks that the window comes near. */
export function useLoading(feed: Feed, layout: Layout, margin: number) {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let alive = true;
    const look = () => {
      const { items } = layout;
      if (!alive || items.length === 0) return;
      const high = window.innerHeight;
      const y = window.scrollY - margin;
      let near: number | null = null;
      for (let at = itemAt(items, y - high / 2); at < items.length; at++) {
        const item = items[at]!;
        if (item.top > y + 4 * high) break;
        near ??= item.section;
        if (item.kind === "block") {
          const key = feed.read().sections[item.section]?.key;
          if (key !== undefined) void feed.more(key);
        }
      }
      if (near !== null) feed.forget(near);
    };
    let seen = { y: window.scrollY, at: performance.now() };
    const later = () => {
      const now = { y: window.scrollY, at: performance.now() };
      const speed = Math.abs(now.y - seen.y) / Math.max(1, now.at - seen.at);
      if (now.at - seen.at > LOOK_MS) {
        seen = now;
        if (speed < READING) {
          clearTimeout(timer);
          look();
          return;
        }
      }
      clearTimeout(timer);
      timer = setTimeout(look, LOOK_MS);
    };
    timer = setTimeout(look, 0);
    window.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later);
    return () => {
      alive = false;
      clearTimeout(timer);
      window.removeEventListener("scroll", later);
      window.removeEventListener("resize", later);
    };
  }, [feed, layout, margin]);
}
