import { Skeleton } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { Header } from "../shell/Header";
import { StateOf } from "../shell/StateOf";
import { NewRun } from "./NewRun";
import { RunCard } from "./RunCard";
import styles from "./runs.module.css";
import { useRuns } from "./useRuns";

/** Adding images, and the runs that did. */
export function RunsPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useRuns();
  return (
    <>
      <Header />
      <main id="content" className={styles.page}>
        <h1>{t("runs.title")}</h1>
        <p className={styles.lead}>{t("runs.lead")}</p>
        <NewRun />
        <h2>{t("runs.past")}</h2>
        {!data && !error && <Skeleton height={64} radius="md" />}
        {!data && error && <StateOf error={error} onAgain={() => void refetch()} />}
        {data?.runs.length === 0 && <p className={styles.note}>{t("runs.noneMore")}</p>}
        {data?.runs.map((run) => (
          <RunCard key={run.id} run={run} />
        ))}
      </main>
    </>
  );
}
