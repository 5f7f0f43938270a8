import { Button, Loader, VisuallyHidden } from "@mantine/core";
import { IconArrowLeft, IconPhoto } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { folderPath } from "../filters/folders";
import { Header } from "../shell/Header";
import { StateOf } from "../shell/StateOf";
import { Failures } from "./Failures";
import { nameOf, type Run } from "./figures";
import { Bar, Commands, Figures, RunState } from "./RunCard";
import styles from "./runs.module.css";
import { useRun } from "./useRuns";

/** One run: how far, where the time goes, folders, failures. */
export function RunPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const { data: run, error, refetch } = useRun(id);
  return (
    <>
      <Header />
      <main id="content" className={styles.page}>
        <Button
          component={Link}
          href="/runs"
          variant="subtle"
          color="gray"
          size="compact-sm"
          mb="sm"
          ml={-8}
          leftSection={<IconArrowLeft size={16} aria-hidden />}
        >
          {t("runs.back")}
        </Button>
        {run ? <Whole run={run} /> : <VisuallyHidden component="h1">{t("runs.past")}</VisuallyHidden>}
        {!run && error && <StateOf error={error} onAgain={() => void refetch()} />}
        {!run && !error && <Loader aria-label={t("state.loading")} />}
      </main>
    </>
  );
}

function Whole({ run }: { run: Run }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => value.toLocaleString(i18n.language);
  const counts = ["indexed", "updated", "moved", "unchanged", "deleted", "reused"] as const;
  const shown = counts.filter((name) => (run.counts[name] ?? 0) > 0);
  const query = new URLSearchParams({ in: run.collection });
  return (
    <>
      <h1>{nameOf(run)}</h1>
      <div className={styles.facts}>
        <RunState run={run} />
        <span>{run.collection}</span>
        {run.model && <span>{run.model}</span>}
        {run.precision && <span>{run.precision}</span>}
      </div>
      <p className={styles.big} aria-live="off">
        {number(run.done)}
        {run.total != null && <span> / {number(run.total)}</span>}
      </p>
      <Figures run={run} whole={false} />
      {run.live && <Bar run={run} />}
      {run.error && (
        <p className={styles.error} role="alert">
          {run.error}
        </p>
      )}
      {run.notes.map((note) => (
        <p key={note} className={styles.note}>
          {note}
        </p>
      ))}
      <div className={styles.acts} style={{ marginTop: 18 }}>
        <Commands run={run} />
        <Button
          component={Link}
          href={`/?${query}`}
          variant="default"
          leftSection={<IconPhoto size={17} stroke={1.7} aria-hidden />}
        >
          {t("runs.look")}
        </Button>
      </div>
      {shown.length > 0 && (
        <div className={styles.facts} style={{ marginTop: 18 }}>
          {shown.map((name) => (
            <span key={name}>
              {t(`count.${name}`)}: {number(run.counts[name] ?? 0)}
            </span>
          ))}
        </div>
      )}
      <Stages run={run} />
      <Folders run={run} />
      <Failures run={run} />
    </>
  );
}

function Stages({ run }: { run: Run }) {
  const { t, i18n } = useTranslation();
  const stages = Object.entries(run.stages);
  const most = Math.max(...stages.map(([, seconds]) => seconds), 0);
  if (most === 0) return null;
  const said = new Intl.NumberFormat(i18n.language, {
    style: "unit",
    unit: "second",
    unitDisplay: "short",
    maximumFractionDigits: 1,
  });
  return (
    <section>
      <h2>{t("runs.stages")}</h2>
      <dl className={styles.stages}>
        {stages.map(([name, seconds]) => (
          <div key={name}>
            <dt>{t(`stage.${name}` as "stage.decode", name)}</dt>
            <div className={styles.meter} aria-hidden>
              <div style={{ width: `${(100 * seconds) / most}%` }} />
            </div>
            <dd>{said.format(seconds)}</dd>
          </div>
        ))}
      </dl>
      <p className={styles.note}>{t("runs.stagesHint")}</p>
    </section>
  );
}

function Folders({ run }: { run: Run }) {
  const { t, i18n } = useTranslation();
  if (run.folders.length === 0) return null;
  return (
    <section>
      <h2>{t("runs.folders")}</h2>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={t("runs.folders")}>
        <table className={styles.table}>
          <thead>
            <tr>
              <th>{t("runs.folder")}</th>
              <th className={styles.number}>{t("runs.images")}</th>
              <th className={styles.number}>{t("runs.failedTitle")}</th>
            </tr>
          </thead>
          <tbody>
            {run.folders.map(({ folder, done, failed }) => (
              <tr key={folder}>
                <td>{folderPath(folder)}</td>
                <td className={styles.number}>{done.toLocaleString(i18n.language)}</td>
                <td className={styles.number}>{failed.toLocaleString(i18n.language)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
