import { memo, useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Section } from "./feed";
import styles from "./grid.module.css";
import { itemAt, type Layout } from "./layout";
import { spanName } from "./spans";

interface Props {
  layout: Layout;
  sections: readonly Section[];
  margin: number;
}

const APART = 22; // pixels between two years that are written

/** The months from top to bottom: drag along it, or take its arrow keys, to go there. */
export function Scrubber({ layout, sections, margin }: Props) {
  const { t, i18n } = useTranslation();
  const ref = useRef<HTMLDivElement>(null);
  const [busy, setBusy] = useState(false);
  const [hover, setHover] = useState<number | null>(null);
  const at = useScrolled();
  const most = Math.max(1, layout.height + margin - window.innerHeight);
  const part = Math.min(1, Math.max(0, at / most));
  const sectionOf = useCallback(
    (share: number) => {
      const item = layout.items[itemAt(layout.items, share * most - margin + 80)];
      return item?.section ?? 0;
    },
    [layout, most, margin],
  );
  const nameOf = (share: number) =>
    spanName(sections[sectionOf(share)]?.span ?? null, i18n.language, t("grid.undated"));

  const goTo = (section: number) => {
    const top = layout.tops[Math.min(sections.length - 1, Math.max(0, section))];
    if (top !== undefined) window.scrollTo({ top: top + margin - 72, behavior: "instant" });
  };
  const drag = (event: React.PointerEvent) => {
    const box = ref.current!.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    setHover(share);
    if (event.buttons & 1) window.scrollTo({ top: share * most, behavior: "instant" });
  };
  const now = sectionOf(part);
  return (
    <div
      ref={ref}
      className={styles.scrubber}
      role="slider"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={t("grid.timeline")}
      aria-valuemin={0}
      aria-valuemax={sections.length - 1}
      aria-valuenow={now}
      aria-valuetext={nameOf(part)}
      data-busy={busy || undefined}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setBusy(true);
        drag(event);
      }}
      onPointerMove={drag}
      onPointerUp={() => setBusy(false)}
      onPointerCancel={() => setBusy(false)}
      onPointerLeave={() => setHover(null)}
      onKeyDown={(event) => {
        const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
        if (step) goTo(now + step);
        else if (event.key === "Home") goTo(0);
        else if (event.key === "End") goTo(sections.length - 1);
        else return;
        event.preventDefault();
      }}
    >
      <Years {...{ layout, sections, margin, most }} />
      <div className={styles.thumb} style={{ top: `${part * 100}%` }} />
      {(hover !== null || busy) && (
        <div className={styles.label} style={{ top: `${(hover ?? part) * 100}%` }} aria-hidden>
          {nameOf(hover ?? part)}
        </div>
      )}
    </div>
  );
}

const Years = memo(function Years({ layout, sections, most, margin }: Props & { most: number }) {
  const high = useHeight() - 88;
  const shown = [];
  let last = -APART;
  let year = "";
  for (const [index, section] of sections.entries()) {
    const own = section.span?.slice(0, 4) ?? "";
    if (own === year || section.span === "none") continue;
    year = own;
    const share = Math.min(1, ((layout.tops[index] ?? 0) + margin - 72) / most);
    const far = share * high - last >= APART;
    if (far) last = share * high;
    shown.push(
      <span
        key={own}
        className={far ? styles.year : styles.tick}
        style={{ top: `${Math.max(0, share) * 100}%` }}
        aria-hidden
      >
        {far && own}
      </span>,
    );
  }
  return shown;
});

function useScrolled(): number {
  const [y, setY] = useState(() => window.scrollY);
  useEffect(() => {
    let frame = 0;
    const look = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => setY(window.scrollY));
    };
    window.addEventListener("scroll", look, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", look);
    };
  }, []);
  return y;
}

function useHeight(): number {
  const [height, setHeight] = useState(window.innerHeight);
  useEffect(() => {
    const look = () => setHeight(window.innerHeight);
    window.addEventListener("resize", look);
    return () => window.removeEventListener("resize", look);
  }, []);
  return height;
}
