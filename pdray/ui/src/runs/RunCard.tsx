import { Progress } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { duration, nameOf, type Run, share, toneOf } from "./figures";
import styles from "./runs.module.css";

/** One run of the list. */
export function RunCard({ run }: { run: Run }) {
  return (
    <article className={styles.run}>
      <div className={styles.top}>
        <Link href={`/runs/${run.id}`} className={styles.name!}>
          {nameOf(run)}
        </Link>
        <RunState run={run} />
      </div>
      <Figures run={run} />
      {run.live && <Bar run={run} />}
      {run.error && <p className={styles.error}>{run.error}</p>}
    </article>
  );
}

export function RunState({ run }: { run: Run }) {
  const { t } = useTranslation();
  return (
    <span className={styles.state} data-tone={toneOf(run.state)}>
      {t(`runState.${run.state}`)}
    </span>
  );
}

export function Bar({ run }: { run: Run }) {
  const { t } = useTranslation();
  const part = share(run);
  return (
    <Progress.Root size={8} radius="xl" className={styles.bar!}>
      <Progress.Section
        value={part ?? 100}
        animated={part === null || run.phase === "projecting"}
        striped={part === null}
        aria-label={t("runs.progress")}
        {...(run.state === "paused" ? { color: "yellow" } : {})}
      />
    </Progress.Root>
  );
}

/** How far, how fast, how long. */
export function Figures({ run, whole = true }: { run: Run; whole?: boolean }) {
  const { t, i18n } = useTranslation();
  const said: string[] = [];
  if (run.live && run.phase) said.push(t(`phase.${run.phase}` as "phase.indexing", run.phase));
  if (whole && run.total) said.push(t("runs.of", { done: run.done, total: run.total }));
  else if (whole && run.done > 0) said.push(t("runs.done", { done: run.done }));
  if (run.rate && (run.state === "running" || !run.live)) {
    said.push(t("runs.rate", { rate: Number(run.rate.toPrecision(3)) }));
  }
  if (run.live && run.eta_seconds != null) {
    said.push(t("runs.eta", { time: duration(run.eta_seconds, i18n.language) }));
  }
  if (!run.live && run.active_seconds != null) {
    said.push(t("runs.took", { time: duration(run.active_seconds, i18n.language) }));
  }
  if (run.failed > 0) said.push(t("runs.failed", { count: run.failed }));
  const when = run.started_at && new Date(run.started_at);
  if (whole && !run.live && when) {
    said.push(when.toLocaleString(i18n.language, { dateStyle: "medium", timeStyle: "short" }));
  }
  return (
    <div className={styles.facts}>
      {said.map((one) => (
        <span key={one}>{one}</span>
      ))}
    </div>
  );
}
