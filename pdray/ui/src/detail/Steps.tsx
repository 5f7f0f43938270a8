import { ActionIcon } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import type { Feed } from "../grid/feed";
import styles from "./detail.module.css";
import type { Step } from "./stepping";

/** The buttons to either side, and the swipes that do the same. */
export function Steps({ step, feed, id }: { step: Step; feed: Feed; id: string }) {
  const { t } = useTranslation();
  const touch = useRef<number | null>(null);
  useEffect(() => {
    const start = (event: TouchEvent) => {
      touch.current = event.touches.length === 1 ? event.touches[0]!.clientX : null;
    };
    const end = (event: TouchEvent) => {
      const moved = (event.changedTouches[0]?.clientX ?? 0) - (touch.current ?? 0);
      if (touch.current !== null && Math.abs(moved) > 60) step(moved < 0 ? 1 : -1);
      touch.current = null;
    };
    const stage = document.querySelector(`.${styles.stage}`) as HTMLElement | null;
    stage?.addEventListener("touchstart", start, { passive: true });
    stage?.addEventListener("touchend", end, { passive: true });
    return () => {
      stage?.removeEventListener("touchstart", start);
      stage?.removeEventListener("touchend", end);
    };
  }, [step]);
  const place = feed.find(id);
  const first = place?.section === 0 && place.index === 0;
  const sections = feed.read().sections;
  const ending = sections[sections.length - 1];
  const last =
    place?.section === sections.length - 1 && ending?.done && place.index === ending.images.length - 1;
  const button = (by: 1 | -1, label: string, disabled: boolean | undefined) => (
    <ActionIcon
      className={styles.step!}
      data-to={by}
      variant="default"
      size={44}
      radius="xl"
      aria-label={label}
      disabled={disabled ?? false}
      onClick={() => step(by)}
    >
      {by > 0 ? (
        <IconChevronRight size={24} stroke={1.6} aria-hidden />
      ) : (
        <IconChevronLeft size={24} stroke={1.6} aria-hidden />
      )}
    </ActionIcon>
  );
  return (
    <>
      {button(-1, t("detail.previous"), first)}
      {button(1, t("detail.next"), last)}
    </>
  );
}
