import { Button, Drawer, VisuallyHidden } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem } from "../api/client";
import { Detail } from "../detail/Detail";
import { FilterPanel } from "../filters/FilterPanel";
import type { Picture } from "../grid/feed";
import { Grid, useSnapshot } from "../grid/Grid";
import { holds, without } from "../query/mix";
import { DropZone } from "../search/DropZone";
import { SearchBox } from "../search/SearchBox";
import { Header } from "../shell/Header";
import { StateOf } from "../shell/StateOf";
import { useFeed } from "../state/feeds";
import { ALL, isRanked, useView, type View } from "../state/url";
import { Bar } from "./Bar";
import { ChosenBar } from "./ChosenBar";
import styles from "./library.module.css";
import { Notes } from "./Notes";
import { Nothing, Waiting } from "./Nothing";
import { useAsking } from "./useAsking";
import { useChosen } from "./useChosen";
import { useFresh, useWaiting } from "./useFresh";

/** Looking: the search box, the conditions, the grid, and one image over it. */
export function Library() {
  const { t } = useTranslation();
  const { view, go, hrefOf } = useView();
  const feed = useFeed(view);
  const snapshot = useSnapshot(feed);
  const wide = useMediaQuery("(min-width: 1000px)", window.innerWidth >= 1000);
  const [filters, setFilters] = useState(false);

  const { search, left, files, moreFiles, like, add } = useAsking(view, go);
  const hrefOfPicture = useCallback((picture: Picture) => hrefOf({ image: picture.id }), [hrefOf]);
  const open = useOpening(go, view);
  const chosen = useChosen(feed);
  useTitle(view);
  const fresh = useFresh(feed, view);

  const side = <FilterPanel view={view} onChange={(q) => search({ q })} />;
  useWaiting(feed, snapshot);
  // Before anything was indexed there is no collection to look at.
  const { error } = snapshot;
  const empty = error instanceof ApiProblem && error.code === "no-collection" && !view.collection;
  const ranked = isRanked(view);
  const others = isRanked({ ...view, examples: view.examples.slice(1) });
  const shown = snapshot.state === "ready" && snapshot.sections.some((one) => one.images.length > 0);
  return (
    <>
      <Header>
        <SearchBox view={view} onSearch={search} onPick={moreFiles} />
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
          <Bar
            {...{ view, snapshot, filters }}
            onFilters={() => setFilters(!filters)}
            onChange={search}
            onWeigh={(changes) => go(changes, { replace: true })}
          />
          <Notes view={view} notes={snapshot.notes} left={left} />
          {snapshot.state === "loading" && <Waiting />}
          {snapshot.error && !empty && (
            <StateOf
              error={snapshot.error}
              onAgain={feed.again}
              onReset={() => search({ ...ALL, collection: view.collection })}
              onWithout={others ? (id) => search(without(view.examples, placeOf(view, id))) : undefined}
            />
          )}
          {((snapshot.state === "ready" && !shown) || empty) && (
            <Nothing view={view} onChange={search} />
          )}
          {shown && (
            <Grid
              key={feed.name}
              feed={feed}
              snapshot={snapshot}
              hrefOf={hrefOfPicture}
              onOpen={open.open}
              onLike={like}
              onAdd={ranked ? add : null}
              chosen={chosen.ids}
              onChoose={chosen.choose}
              open={view.image}
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
          onAdd={ranked && !holds(view.examples, { kind: "like", of: view.image }) ? add : null}
          onFind={(q) => search({ ...ALL, collection: view.collection, q })}
        />
      )}
      <ChosenBar chosen={chosen} collection={view.collection} />
      {fresh && (
        <Button className={styles.fresh!} radius="xl" size="sm" onClick={fresh}>
          {t("bar.fresh")}
        </Button>
      )}
      <DropZone
        targets={
          ranked
            ? [
                { said: t("search.dropAnew"), onFiles: files },
                { said: t("search.dropAdd"), onFiles: moreFiles },
              ]
            : [{ said: t("search.drop"), onFiles: moreFiles }]
        }
      />
    </>
  );
}

function placeOf({ examples }: View, dropped: string): number {
  return examples.findIndex((one) => one.kind === "drop" && one.of === dropped);
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
  }, [opened, go]);
  useEffect(() => {
    document.documentElement.style.overflow = view.image ? "hidden" : "";
    return () => {
      document.documentElement.style.overflow = "";
    };
  }, [view.image]);
  return { open, step, close };
}

function useTitle(view: View) {
  const { t } = useTranslation();
  useEffect(() => {
    const what = view.q || (isRanked(view) ? t("search.title") : "");
    document.title = what ? `${what} · pdray` : "pdray";
  }, [view, t]);
}
