import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { call, type Schemas } from "../api/client";
import { folderPath } from "../filters/folders";
import type { Run } from "./figures";
import own from "./run.module.css";
import styles from "./runs.module.css";

/** What a run could not index and no later one has, with the reasons. */
export function Failures({ run }: { run: Run }) {
  const { t, i18n } = useTranslation();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["failures", run.id],
    queryFn: ({ pageParam, signal }) =>
      call<Schemas["RunFailures"]>(`/runs/${encodeURIComponent(run.id)}/failures`, {
        query: { limit: 100, cursor: pageParam },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    enabled: run.failed > 0,
  });
  if (run.failed === 0) return null;
  const [first] = data?.pages ?? [];
  const failures = data?.pages.flatMap((page) => page.failures) ?? [];
  return (
    <section>
      <h2>{t("runs.failures")}</h2>
      {first?.total === 0 && <p className={styles.note}>{t("runs.failuresGone")}</p>}
      <div className={own.kinds}>
        {first?.groups.map((group) => (
          <span key={`${group.stage} ${group.kind}`}>
            {group.kind}: {group.images.toLocaleString(i18n.language)}
            {group.every_run && `, ${t("runs.everyRun")}`}
          </span>
        ))}
      </div>
      {failures.length > 0 && (
        <div className={own.scroll} tabIndex={0} role="region" aria-label={t("runs.failures")}>
          <table className={own.table}>
            <thead>
              <tr>
                <th>{t("runs.file")}</th>
                <th>{t("runs.why")}</th>
              </tr>
            </thead>
            <tbody>
              {failures.map((one) => (
                <tr key={one.uri}>
                  <td>{folderPath(one.uri)}</td>
                  <td>{one.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hasNextPage && (
        <Button
          variant="subtle"
          mt="xs"
          loading={isFetchingNextPage}
          onClick={() => void fetchNextPage()}
        >
          {t("runs.moreFailures")}
        </Button>
      )}
    </section>
  );
}
