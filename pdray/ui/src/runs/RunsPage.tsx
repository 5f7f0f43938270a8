import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation, useSearch } from "wouter";

import { call, type Schemas } from "../api/client";

import { Header } from "../shell/Header";
import { StateOf } from "../shell/StateOf";
import { NewRun } from "./NewRun";
import type { Run } from "./figures";
import { RunCard } from "./RunCard";
import styles from "./runs.module.css";
import { Upload } from "./Upload";
import { useRuns } from "./useRuns";

/** Adding images, and the runs that did. */
export function RunsPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useRuns();
  const here = new URLSearchParams(useSearch()).get("from") === "here";
  const [, navigate] = useLocation();
  return (
    <>
      <Header />
      <main id="content" className={styles.page}>
        <h1>{t("runs.title")}</h1>
        <p className={styles.lead}>{t(here ? "upload.lead" : "runs.lead")}</p>
        <SegmentedControl
          className={styles.from!}
          aria-label={t("runs.from")}
          data={[
            { value: "server", label: t("runs.fromServer") },
            { value: "here", label: t("runs.fromHere") },
          ]}
          value={here ? "here" : "server"}
          onChange={(value) => navigate(value === "here" ? "/runs?from=here" : "/runs", { replace: true })}
        />
        {here ? <Upload /> : <NewRun />}
        <h2>{t("runs.past")}</h2>
        {!data && !error && <Skeleton height={64} radius="md" />}
        {!data && error && <StateOf error={error} onAgain={() => void refetch()} />}
        {data?.runs.length === 0 && <p className={styles.note}>{t("runs.noneMore")}</p>}
        {data?.runs.map((run) => (
          <RunCard key={run.id} run={run} />
        ))}
        {data?.next_cursor && <Older after={data.next_cursor} shown={data.runs} />}
      </main>
    </>
  );
}

/** Runs before those that are listed first; none twice, though new ones push the first along. */
function Older({ after, shown }: { after: string; shown: readonly Run[] }) {
  const { t } = useTranslation();
  const [from] = useState(after);
  const { data, fetchNextPage, hasNextPage, isFetching } = useInfiniteQuery({
    queryKey: ["runs", "older", from],
    queryFn: ({ pageParam, signal }) =>
      call<Schemas["RunList"]>("/runs", { query: { limit: 30, cursor: pageParam }, signal }),
    initialPageParam: from,
    getNextPageParam: (page) => page.next_cursor ?? null,
    enabled: false,
  });
  const there = new Set(shown.map((run) => run.id));
  const runs = data?.pages.flatMap((page) => page.runs).filter((run) => !there.has(run.id)) ?? [];
  return (
    <>
      {runs.map((run) => (
        <RunCard key={run.id} run={run} />
      ))}
      {(!data || hasNextPage) && (
        <Button variant="subtle" loading={isFetching} onClick={() => void fetchNextPage()}>
          {t("runs.older")}
        </Button>
      )}
    </>
  );
}
