import { Badge, Button, Drawer, Select, VisuallyHidden } from "@mantine/core";
import { useMediaQuery, useThrottledCallback } from "@mantine/hooks";
import { IconAdjustmentsHorizontal, IconFolderPlus, IconPhotoOff } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { useHappenings } from "./api/events";
import { queries } from "./api/queries";
import { Detail } from "./detail/Detail";
import { FilterPanel } from "./filters/FilterPanel";
import type { Feed, Picture, Snapshot } from "./grid/feed";
import { Grid, useSnapshot } from "./grid/Grid";
import styles from "./library.module.css";
import { split } from "./query/tokens";
import { DropZone } from "./search/DropZone";
import { SearchBox } from "./search/SearchBox";
import { Header } from "./shell/Header";
import { State, StateOf } from "./shell/StateOf";
import { keepDropped } from "./state/dropped";
import { useExample, useFeed } from "./state/feeds";
import { ALL, isRanked, useView, type View } from "./state/url";

/** Looking: the search box, the conditions, the grid, and one image over it. */
export function Library() {
  const { t } = useTranslation();
  const { view, go, hrefOf } = useView();
  const feed = useFeed(view);
  const snapshot = useSnapshot(feed);
  const example = useExample(view);
  const wide = useMediaQuery("(min-width: 1000px)", window.innerWidth >= 1000);
  const [filters, setFilters] = useState(false);

  const search = useCallback(
    (changes: Partial<View>) => {
      window.scrollTo({ top: 0 });
      go({ image: null, ...changes });
    },
    [go],
  );
  const pick = useCallback(
    async (file: File) => {
      const drop = await keepDropped(file, file.name);
      search({ ...ALL, collection: view.collection, drop });
    },
    [search, view.collection],
  );
  const like = useCallback(
    (picture: Picture) => search({ ...ALL, collection: view.collection, like: picture.id }),
    [search, view.collection],
  );
  const hrefOfPicture = useCallback((picture: Picture) => hrefOf({ image: picture.id }), [hrefOf]);
  const open = useOpening(go, view);
  useTitle(view);
  const fresh = useFresh(feed, view);

  const side = <FilterPanel view={view} onChange={(q) => search({ q })} />;
  const shown = snapshot.state === "ready" && snapshot.sections.some((one) => one.images.length > 0);
  return (
    <>
      <Header>
        <SearchBox view={view} example={example} onSearch={search} onPick={(file) => void pick(file)} />
      </Header>
      <div
        className={styles.body}
        data-filters={(wide && filters) || undefined}
        data-scrubber={snapshot.sections.length > 2 || undefined}
      >
        {wide && filters && (
          <aside className={styles.side} aria-label={t("filter.title")}>
            {side}
          </aside>
        )}
        <main id="content">
          <VisuallyHidden component="h1">{t("grid.label")}</VisuallyHidden>
          <Bar {...{ view, snapshot, filters }} onFilters={() => setFilters(!filters)} onChange={search} />
          {snapshot.notes.length > 0 && (
            <div className={styles.notes} role="status">
              {snapshot.notes.map((note) => (
                <p key={note}>{note}</p>
              ))}
            </div>
          )}
          {snapshot.state === "loading" && <Waiting />}
          {snapshot.state === "failed" && snapshot.error && (
            <StateOf error={snapshot.error} onAgain={feed.again} />
          )}
          {snapshot.state === "ready" && !shown && <Nothing view={view} onChange={search} />}
          {shown && (
            <Grid
              key={feed.name}
              feed={feed}
              snapshot={snapshot}
              hrefOf={hrefOfPicture}
              onOpen={open.open}
              onLike={like}
              label={t("grid.label")}
            />
          )}
        </main>
      </div>
      {!wide && (
        <Drawer
          opened={filters}
          onClose={() => setFilters(false)}
          title={t("filter.title")}
          position="bottom"
          size="82%"
          radius="lg"
          closeButtonProps={{ "aria-label": t("filter.done") }}
        >
          {side}
        </Drawer>
      )}
      {view.image && (
        <Detail
          id={view.image}
          feed={feed}
          hrefOf={(id) => hrefOf({ image: id })}
          onStep={open.step}
          onClose={open.close}
          onLike={like}
          onFind={(q) => search({ ...ALL, collection: view.collection, q })}
        />
      )}
      {fresh && (
        <Button className={styles.fresh!} radius="xl" size="sm" onClick={fresh}>
          {t("bar.fresh")}
        </Button>
      )}
      <DropZone onImage={(file) => void pick(file)} />
    </>
  );
}

/** Opening an image is a step to go back from; going on to the next one is not. */
function useOpening(go: ReturnType<typeof useView>["go"], view: View) {
  const [opened, setOpened] = useState(false);
  const open = useCallback(
    (picture: Picture) => {
      setOpened(true);
      go({ image: picture.id });
    },
    [go],
  );
  const step = useCallback((id: string) => go({ image: id }, { replace: true }), [go]);
  const close = useCallback(() => {
    if (opened) history.back();
    else go({ image: null }, { replace: true });
    setOpened(false);
    const id = view.image;
    requestAnimationFrame(() => {
      document.querySelector<HTMLElement>(`[data-id="${CSS.escape(id ?? "")}"]`)?.focus();
    });
  }, [opened, go, view.image]);
  useEffect(() => {
    document.documentElement.style.overflow = view.image ? "hidden" : "";
    return () => {
      document.documentElement.style.overflow = "";
    };
  }, [view.image]);
  return { open, step, close };
}

/** New images show up by themselves where nobody has scrolled; elsewhere a button brings them. */
function useFresh(feed: Feed, view: View): (() => void) | null {
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
        if (event.type === "gap") refresh();
        else if (!view.collection || event.collection.name === view.collection) refresh();
      },
      [refresh, view.collection],
    ),
  );
  if (stale !== feed) return null;
  return () => {
    setStale(null);
    window.scrollTo({ top: 0 });
    void feed.refresh();
  };
}

const REFRESH_MS = 2_000;

function useTitle(view: View) {
  const { t } = useTranslation();
  useEffect(() => {
    const what = view.q || (isRanked(view) ? t("search.likeThis") : "");
    document.title = what ? `${what} · pdray` : "pdray";
  }, [view, t]);
}

interface BarProps {
  view: View;
  snapshot: Snapshot;
  filters: boolean;
  onFilters: () => void;
  onChange: (changes: Partial<View>) => void;
}

function Bar({ view, snapshot, filters, onFilters, onChange }: BarProps) {
  const { t } = useTranslation();
  const { data } = useQuery(queries.collections());
  const conditions = split(view.q).chips.filter((chip) => chip.kind === "condition").length;
  const sorts = sortsOf(view);
  const names = data?.collections.map((one) => one.name) ?? [];
  return (
    <div className={styles.bar}>
      <Button
        variant={filters ? "light" : "default"}
        size="xs"
        radius="xl"
        aria-expanded={filters}
        leftSection={<IconAdjustmentsHorizontal size={16} stroke={1.7} aria-hidden />}
        rightSection={conditions > 0 && <Badge size="sm" circle>{conditions}</Badge>}
        onClick={onFilters}
      >
        {t("filter.title")}
      </Button>
      <span className={styles.total} role="status">
        {snapshot.state === "ready" && snapshot.total !== null && t("grid.total", { count: snapshot.total })}
      </span>
      <Select
        size="xs"
        radius="xl"
        w={150}
        aria-label={t("bar.sort")}
        allowDeselect={false}
        data={sorts.map((one) => ({ value: one, label: t(`bar.${one}`) }))}
        value={view.sort ?? sorts[0]!}
        onChange={(sort) => onChange({ sort: sort === sorts[0] ? null : sort })}
      />
      {names.length > 1 && (
        <Select
          size="xs"
          radius="xl"
          w={170}
          aria-label={t("bar.collection")}
          allowDeselect={false}
          data={names}
          value={view.collection ?? data?.default ?? null}
          onChange={(name) => onChange({ collection: name === data?.default ? null : name })}
        />
      )}
    </div>
  );
}

const ORDERS = ["newest", "oldest", "largest", "smallest"] as const;

/** The orders that a view can have, its own first. */
function sortsOf(view: View): readonly ("relevance" | (typeof ORDERS)[number])[] {
  return isRanked(view) ? ["relevance", ...ORDERS] : ORDERS;
}

function Nothing({ view, onChange }: { view: View; onChange: (changes: Partial<View>) => void }) {
  const { t } = useTranslation();
  const icon = <IconPhotoOff size={44} stroke={1.3} aria-hidden />;
  const asked = view.q !== "" || isRanked(view);
  if (!asked) {
    return (
      <State
        icon={icon}
        title={t("state.empty")}
        acts={
          <Button
            component={Link}
            href="/runs"
            leftSection={<IconFolderPlus size={18} stroke={1.7} aria-hidden />}
          >
            {t("nav.runs")}
          </Button>
        }
      >
        {t("state.emptyMore")}
      </State>
    );
  }
  const { words, chips } = split(view.q);
  const narrowed = chips.length > 0 && isRanked({ ...view, q: words });
  return (
    <State
      icon={icon}
      title={t("state.nothing")}
      live="status"
      acts={
        <>
          {narrowed && (
            <Button variant="default" onClick={() => onChange({ q: words })}>
              {t("state.wider")}
            </Button>
          )}
          <Button variant="default" onClick={() => onChange({ ...ALL, collection: view.collection })}>
            {t("state.all")}
          </Button>
        </>
      }
    >
      {t("state.nothingMore")}
    </State>
  );
}

const SHAPES = [
  [3, 2, 4, 2, 3],
  [2, 4, 3, 3, 2],
  [4, 2, 2, 3, 3],
  [3, 3, 4, 2, 2],
];

function Waiting() {
  const { t } = useTranslation();
  return (
    <div className={styles.waiting} role="status" aria-label={t("state.loading")}>
      {SHAPES.map((row, at) => (
        <div key={at}>
          {row.map((share, index) => (
            <span key={index} style={{ flex: share }} />
          ))}
        </div>
      ))}
    </div>
  );
}
