import { ActionIcon, Button, FocusTrap, Loader, Tooltip } from "@mantine/core";
import {
  IconArrowLeft,
  IconCheck,
  IconChevronLeft,
  IconChevronRight,
  IconDownload,
  IconLink,
  IconPhotoPlus,
  IconPhotoSearch,
} from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { request } from "../api/client";
import { useKey } from "../api/key";
import { queries } from "../api/queries";
import type { Feed, Picture as Shown } from "../grid/feed";
import { copy, save } from "../shell/save";
import { StateOf } from "../shell/StateOf";
import styles from "./detail.module.css";
import { Facts } from "./Facts";
import { Picture } from "./Picture";
import { Similar } from "./Similar";

interface Props {
  id: string;
  feed: Feed;
  hrefOf: (id: string) => string;
  onStep: (id: string) => void;
  onClose: () => void;
  onLike: (picture: Shown) => void;
  /** Null where nothing is looked for that it could join. */
  onAdd: ((picture: Shown) => void) | null;
  /** A condition that the person chose here. */
  onFind: (q: string) => void;
}

/** One image over everything else: arrow keys go on, Escape goes back. */
export function Detail(props: Props) {
  const { id, feed, onClose } = props;
  const { t } = useTranslation();
  const found = feed.find(id);
  const listed = found && feed.at(found);
  const { data, error, refetch } = useQuery({ ...queries.image(id), enabled: !listed });
  const picture: Shown | undefined = listed ?? data;
  const step = useStepping(props);
  useKeys(step, props, picture);
  const title = picture ? (picture.caption ?? picture.title ?? picture.name) : t("detail.title");
  return (
    <FocusTrap active>
      <div className={styles.all} role="dialog" aria-modal="true" aria-label={title} data-detail>
        <div className={styles.stage}>
          <div className={styles.bar}>
            <ActionIcon
              variant="subtle"
              color="gray"
              size={40}
              radius="xl"
              aria-label={t("detail.close")}
              onClick={onClose}
              data-autofocus
            >
              <IconArrowLeft size={22} stroke={1.7} aria-hidden />
            </ActionIcon>
            <h1>{picture?.name}</h1>
            {picture && <Acts picture={picture} />}
          </div>
          {picture && <Picture key={picture.id} picture={picture} said={title} />}
          {error && <StateOf error={error} onAgain={() => void refetch()} />}
          {!picture && !error && (
            <div className={styles.frame}>
              <Loader aria-label={t("state.loading")} />
            </div>
          )}
          {found && <Steps {...{ step, feed, id }} />}
        </div>
        <aside className={styles.panel} aria-label={t("detail.about")}>
          {picture && (
            <>
              <Facts picture={picture} onFind={props.onFind}>
                <Button
                  leftSection={<IconPhotoSearch size={18} stroke={1.7} aria-hidden />}
                  variant="light"
                  size="sm"
                  onClick={() => props.onLike(picture)}
                >
                  {t("detail.like")}
                </Button>
                {props.onAdd && (
                  <Button
                    leftSection={<IconPhotoPlus size={18} stroke={1.7} aria-hidden />}
                    variant="default"
                    size="sm"
                    onClick={() => props.onAdd?.(picture)}
                  >
                    {t("detail.add")}
                  </Button>
                )}
              </Facts>
              <Similar id={picture.id} hrefOf={props.hrefOf} onOpen={props.onStep} />
            </>
          )}
        </aside>
      </div>
    </FocusTrap>
  );
}

type Step = (by: 1 | -1) => void;

function useStepping({ id, feed, onStep }: Props): Step {
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

function useKeys(step: Step, { onClose, onLike, onAdd }: Props, picture: Shown | undefined) {
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

function Steps({ step, feed, id }: { step: Step; feed: Feed; id: string }) {
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

function Acts({ picture }: { picture: Shown }) {
  const { t } = useTranslation();
  const link = `${location.origin}/?${new URLSearchParams({ image: picture.id })}`;
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      <Tooltip label={copied ? t("detail.copied") : t("detail.copy")} openDelay={400}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size={40}
          radius="xl"
          aria-label={copied ? t("detail.copied") : t("detail.copy")}
          onClick={() => void copy(link).then(setCopied)}
        >
          {copied ? (
            <IconCheck size={20} stroke={1.7} aria-hidden />
          ) : (
            <IconLink size={20} stroke={1.7} aria-hidden />
          )}
        </ActionIcon>
      </Tooltip>
      <Download picture={picture} />
    </>
  );
}

function Download({ picture }: { picture: Shown }) {
  const { t } = useTranslation();
  const key = useKey();
  const [busy, setBusy] = useState(false);
  const look = {
    variant: "subtle",
    color: "gray",
    size: 40,
    radius: "xl",
    "aria-label": t("detail.download"),
  } as const;
  const icon = <IconDownload size={20} stroke={1.7} aria-hidden />;
  if (key === null) {
    return (
      <Tooltip label={t("detail.download")} openDelay={400}>
        <ActionIcon {...look} component="a" href={picture.file} download={picture.name}>
          {icon}
        </ActionIcon>
      </Tooltip>
    );
  }
  const fetchIt = async () => {
    setBusy(true);
    try {
      const blob = await (await request(picture.file)).blob();
      save(blob, picture.name);
    } catch {
      // the note over the picture says why
    } finally {
      setBusy(false);
    }
  };
  return (
    <ActionIcon {...look} loading={busy} onClick={() => void fetchIt()}>
      {icon}
    </ActionIcon>
  );
}
