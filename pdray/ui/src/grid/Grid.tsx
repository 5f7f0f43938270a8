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

import { useSaid } from "../i18n/useSaid";
import type { Feed, Picture, Section, Snapshot } from "./feed";
import styles from "./grid.module.css";
import { spanName } from "./spans";
import { Scrubber } from "./Scrubber";
import { useMoving } from "./moving";
import { useLoading, useSteadyPlace } from "./place";
import { Tile } from "./Tile";
import { type Item, layOut } from "./layout";
import type { Measure } from "./justify";

interface Props {
  feed: Feed;
  snapshot: Snapshot;
  hrefOf: (picture: Picture) => string;
  onOpen: (picture: Picture) => void;
  onLike: (picture: Picture) => void;
  onAdd: ((picture: Picture) => void) | null;
  chosen: ReadonlySet<string>;
  onChoose: (picture: Picture, upTo: boolean) => void;
  /** The image that is open over the grid: where it closes, the grid shows it. */
  open: string | null;
  label: string;
}

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
export function Grid({ feed, snapshot, hrefOf, open, label, chosen, ...does }: Props) {
  const { onLike, onAdd, onChoose } = does;
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
  const focus = useCallback((picture: Picture) => setActive(picture.id), []);
  const { move, reveal } = useMoving(feed, layout, margin, setActive);
  const left = useRef<string | null>(null);
  useEffect(() => {
    const place = open === null && left.current ? feed.find(left.current) : null;
    const picture = place && feed.at(place);
    left.current = open;
    if (picture) reveal(picture);
  }, [open, feed, reveal]);

  const lines = virtualizer.getVirtualItems().flatMap(({ index }) => items[index] ?? []);
  const reachable = reachableOf(lines, snapshot.sections, active);

  return (
    <div ref={ref}>
      <div
        ref={holder}
        className={styles.grid}
        style={{ height: layout.height }}
        role="list"
        aria-label={label}
        aria-busy={snapshot.state === "loading"}
        onKeyDown={(event) =>
          move(event, {
            s: onLike,
            a: onAdd,
            x: (picture) => onChoose(picture, false),
            X: (picture) => onChoose(picture, true),
          })
        }
      >
        {lines.map((item) => {
          const section = snapshot.sections[item.section]!;
          return (
            <Line
              key={`${section.key} ${item.kind} ${item.kind === "row" ? item.row.start : ""}`}
              {...{ item, section, measure, hrefOf, reachable, chosen, ...does }}
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

/** The image that Tab comes to: the one that was, or the first that is there. */
function reachableOf(
  lines: readonly Item[],
  sections: readonly Section[],
  active: string | null,
): string | null {
  const there = lines.flatMap((item) =>
    item.kind === "row"
      ? (sections[item.section]?.images.slice(item.row.start, item.row.end) ?? [])
      : [],
  );
  return there.some((one) => one.id === active) ? active : (there[0]?.id ?? null);
}

interface LineProps {
  item: Item;
  section: Section;
  measure: Measure;
  hrefOf: Props["hrefOf"];
  onOpen: Props["onOpen"];
  onLike: Props["onLike"];
  onAdd: Props["onAdd"];
  chosen: Props["chosen"];
  onChoose: Props["onChoose"];
  onFocus: (picture: Picture) => void;
  onAgain: () => void;
  reachable: string | null;
}

const Line = memo(function Line({ item, section, measure, reachable, chosen, ...does }: LineProps) {
  const { t, i18n } = useTranslation();
  const said = useSaid();
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
              {said(section.error)}
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
                like={t("detail.like")}
                add={t("detail.add")}
                choose={t("choose.one")}
                chosen={chosen.has(picture.id)}
                choosing={chosen.size > 0}
                onOpen={does.onOpen}
                onLike={does.onLike}
                onAdd={does.onAdd}
                onChoose={does.onChoose}
                onFocus={does.onFocus}
              />
            );
          })}
        </div>
      );
    }
  }
});

export function useSnapshot(feed: Feed): Snapshot {
  return useSyncExternalStore(feed.subscribe, feed.read);
}
