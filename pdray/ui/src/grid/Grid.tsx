import { Button } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  memo,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { useTranslation } from "react-i18next";

import type { Feed, Picture, Section, Snapshot } from "./feed";
import styles from "./grid.module.css";
import { spanName } from "./spans";
import { Scrubber } from "./Scrubber";
import { Tile } from "./Tile";
import { anchorAt, heightOfAnchor, type Item, itemAt, layOut, type Layout } from "./layout";
import type { Measure } from "./justify";

interface Props {
  feed: Feed;
  snapshot: Snapshot;
  hrefOf: (picture: Picture) => string;
  onOpen: (picture: Picture) => void;
  onLike: (picture: Picture) => void;
  label: string;
}

const LOOK_MS = 80;
const READING = 12; // pixels a millisecond: what a hand on the scroll bar passes faster isn't loaded
const ROW = { phone: 118, laptop: 190, wide: 220 };

function measureOf(width: number): Measure {
  const phone = width < 640;
  return {
    width: Math.floor(width),
    target: phone ? ROW.phone : width < 1500 ? ROW.laptop : ROW.wide,
    gap: phone ? 4 : 6,
  };
}

/** A justified grid over a feed. The window scrolls it; what isn't near the window isn't there. */
export function Grid({ feed, snapshot, hrefOf, onOpen, onLike, label }: Props) {
  const { ref, width } = useElementSize();
  const holder = useRef<HTMLDivElement>(null);
  const measure = useMemo(() => measureOf(width), [width]);
  const { mean } = snapshot;
  const layout = useMemo(
    () => layOut(width ? snapshot.sections : [], measure, mean),
    [snapshot.sections, measure, mean, width],
  );
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    const top = holder.current?.getBoundingClientRect().top ?? 0;
    setMargin(Math.round(top + window.scrollY));
  }, [width, snapshot.notes]);

  const { items } = layout;
  // A new function tells the virtualizer that all heights are new.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const getItemKey = useCallback((index: number) => index, [items]);
  const virtualizer = useWindowVirtualizer({
    count: items.length,
    estimateSize: (index) => items[index]!.height,
    getItemKey,
    overscan: 4,
    scrollMargin: margin,
    rangeExtractor: defaultRangeExtractor,
  });

  useSteadyPlace(layout, margin, feed);
  useLoading(feed, layout, margin);

  const [active, setActive] = useState<string | null>(null);
  const reachable = active ?? snapshot.sections[0]?.images[0]?.id ?? null;
  const focus = useCallback((picture: Picture) => setActive(picture.id), []);
  const move = useMoving(feed, layout, margin, setActive);

  return (
    <div ref={ref}>
      <div
        ref={holder}
        className={styles.grid}
        style={{ height: layout.height }}
        role="list"
        aria-label={label}
        aria-busy={snapshot.state === "loading"}
        onKeyDown={(event) => move(event, onLike)}
      >
        {virtualizer.getVirtualItems().map(({ index }) => {
          const item = items[index];
          if (!item) return null;
          const section = snapshot.sections[item.section]!;
          return (
            <Line
              key={`${section.key} ${item.kind} ${item.kind === "row" ? item.row.start : ""}`}
              {...{ item, section, measure, hrefOf, onOpen, onLike, reachable }}
              onFocus={focus}
              onAgain={feed.again}
            />
          );
        })}
      </div>
      {snapshot.sections.length > 2 && (
        <Scrubber layout={layout} sections={snapshot.sections} margin={margin} />
      )}
    </div>
  );
}

interface LineProps {
  item: Item;
  section: Section;
  measure: Measure;
  hrefOf: Props["hrefOf"];
  onOpen: Props["onOpen"];
  onLike: Props["onLike"];
  onFocus: (picture: Picture) => void;
  onAgain: () => void;
  reachable: string | null;
}

const Line = memo(function Line({ item, section, measure, reachable, ...does }: LineProps) {
  const { t, i18n } = useTranslation();
  const place = { transform: `translateY(${item.top}px)` };
  switch (item.kind) {
    case "header":
      return (
        <div className={styles.header} style={{ ...place, height: item.height }} role="presentation">
          {spanName(section.span, i18n.language, t("grid.undated"))}
          {section.count !== null && <span>{t("grid.count", { count: section.count })}</span>}
        </div>
      );
    case "block":
      return (
        <div
          className={section.error ? undefined : styles.block}
          role="presentation"
          style={{
            ...place,
            position: "absolute",
            height: item.height - measure.gap,
            width: "100%",
            ["--row" as string]: `${measure.target}px`,
            ["--row-gap" as string]: `${measure.target + measure.gap}px`,
          }}
        >
          {section.error && (
            <div className={styles.failed}>
              {section.error.message}
              <Button size="xs" variant="default" onClick={does.onAgain}>
                {t("state.again")}
              </Button>
            </div>
          )}
        </div>
      );
    case "row": {
      const { row } = item;
      return (
        <div className={styles.row} style={place} role="presentation">
          {row.widths.map((width, at) => {
            const picture = section.images[row.start + at]!;
            return (
              <Tile
                key={picture.id}
                picture={picture}
                width={width}
                height={row.height}
                href={does.hrefOf(picture)}
                reachable={picture.id === reachable}
                onOpen={does.onOpen}
                onLike={does.onLike}
                onFocus={does.onFocus}
              />
            );
          })}
        </div>
      );
    }
  }
});

/** What is at the top of the window stays there when heights above it change. */
function useSteadyPlace(layout: Layout, margin: number, feed: Feed) {
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

const HEADER_LINE = 70; // below the fixed header

/** Loads the blocks that the window comes near. */
function useLoading(feed: Feed, layout: Layout, margin: number) {
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

/** Arrow keys: left and right along the list, up and down to what is above and below. */
function useMoving(
  feed: Feed,
  layout: Layout,
  margin: number,
  setActive: (id: string) => void,
) {
  const wanted = useRef<string | null>(null);
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
      wanted.current = picture.id;
      // The row may be drawn only in the next frame.
      requestAnimationFrame(() => requestAnimationFrame(() => focusOn(picture.id)));
    },
    [feed, layout, margin, setActive],
  );
  return useCallback(
    (event: React.KeyboardEvent, onLike: (picture: Picture) => void) => {
      const id = (event.target as HTMLElement).dataset?.id;
      const place = id ? feed.find(id) : null;
      if (!place || event.metaKey || event.ctrlKey || event.altKey) return;
      const to = target(feed, layout, place, event.key);
      if (event.key === "s") {
        const picture = feed.at(place);
        if (picture) onLike(picture);
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

export function useSnapshot(feed: Feed): Snapshot {
  return useSyncExternalStore(feed.subscribe, feed.read);
}
