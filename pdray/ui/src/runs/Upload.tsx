import { Autocomplete, Button, Progress } from "@mantine/core";
import { IconFolderOpen, IconPhotoUp, IconUpload } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { ApiProblem, call, type Schemas } from "../api/client";
import { queries } from "../api/queries";
import { bytes } from "../detail/facts";
import { useSaid } from "../i18n/useSaid";
import { DropZone } from "../search/DropZone";
import { ACCEPT, isImage } from "../search/formats";
import { ALL, writeView } from "../state/url";
import styles from "./runs.module.css";
import { batches, NOTHING, send, type Sent } from "./sending";

/** Images of this device, sent to a collection. */
export function Upload() {
  const { t, i18n } = useTranslation();
  const said = useSaid();
  const known = useQuery(queries.collections()).data;
  const [files, setFiles] = useState<File[]>([]);
  const [others, setOthers] = useState(0);
  const [collection, setCollection] = useState("");
  const name = collection.trim() || known?.default || "";
  const isNew = known !== undefined && !known.collections.some((one) => one.name === name);
  const models = useQuery({ ...queries.models(), enabled: isNew }).data;
  const [model, setModel] = useState("");
  const { sent, error, going, start, stop, forget } = useSending();
  const picker = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  const add = useCallback(
    (more: readonly File[]) => {
      forget();
      setFiles((before) => [...before, ...more.filter(isImage)]);
      setOthers((before) => before + more.filter((one) => !isImage(one)).length);
    },
    [forget],
  );
  const picked = (event: React.ChangeEvent<HTMLInputElement>) => {
    add([...(event.currentTarget.files ?? [])]);
    event.currentTarget.value = "";
  };
  const begin = async () => {
    const left = await start(name, files, isNew ? { name, model: model.trim() || null } : null);
    setFiles(left);
    if (left.length === 0) setOthers(0);
  };
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const field = error instanceof ApiProblem ? error.field : null;

  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        void begin();
      }}
    >
      <div className={styles.pick}>
        <IconPhotoUp size={34} stroke={1.3} aria-hidden />
        <p className={styles.mouse}>{t("upload.drop")}</p>
        <div className={styles.acts}>
          <Button variant="default" disabled={going} onClick={() => picker.current?.click()}>
            {t("upload.files")}
          </Button>
          <Button
            className={styles.mouse!}
            variant="default"
            disabled={going}
            leftSection={<IconFolderOpen size={17} stroke={1.7} aria-hidden />}
            onClick={() => folder.current?.click()}
          >
            {t("upload.folder")}
          </Button>
        </div>
        <input ref={picker} type="file" multiple accept={ACCEPT} hidden aria-hidden tabIndex={-1} onChange={picked} />
        <input
          ref={folder}
          type="file"
          hidden
          aria-hidden
          tabIndex={-1}
          onChange={picked}
          {...{ webkitdirectory: "" }}
        />
      </div>
      <div className={styles.two}>
        <Autocomplete
          label={t("runs.collection")}
          description={t("runs.collectionHint")}
          placeholder={known?.default ?? ""}
          data={known?.collections.map((one) => one.name) ?? []}
          value={collection}
          error={error && field === "name" ? said(error) : null}
          disabled={going}
          onChange={setCollection}
        />
        {isNew && (
          <Autocomplete
            label={t("runs.model")}
            description={t("upload.modelHint")}
            placeholder={models?.models.find((one) => one.default)?.name ?? ""}
            data={models?.models.filter((one) => one.here).map((one) => one.name) ?? []}
            value={model}
            error={error && field === "model" ? said(error) : null}
            disabled={going}
            onChange={setModel}
          />
        )}
      </div>
      {error && field !== "name" && field !== "model" && (
        <p className={styles.error} style={{ margin: 0 }} role="alert">
          {said(error)}
        </p>
      )}
      {going && (
        <Progress
          value={files.length > 0 ? (100 * sent.done) / files.length : 0}
          size={8}
          radius="xl"
          aria-label={t("runs.progress")}
        />
      )}
      <Outcome sent={sent} collection={name} />
      <div className={styles.send}>
        <span className={styles.said} role="status">
          {going
            ? t("upload.going", { done: sent.done, total: files.length })
            : files.length > 0 &&
              t("upload.chosen", { count: files.length, size: bytes(size, i18n.language) })}
          {!going && others > 0 && ` ${t("upload.others", { count: others })}`}
        </span>
        {!going && files.length > 0 && (
          <Button
            variant="subtle"
            color="gray"
            onClick={() => {
              setFiles([]);
              setOthers(0);
            }}
          >
            {t("upload.clear")}
          </Button>
        )}
        {going ? (
          <Button variant="default" onClick={stop}>
            {t("upload.stop")}
          </Button>
        ) : (
          <Button
            type="submit"
            disabled={files.length === 0 || !name}
            leftSection={<IconUpload size={17} stroke={1.7} aria-hidden />}
          >
            {t("upload.send")}
          </Button>
        )}
      </div>
      <DropZone targets={[{ said: t("upload.dropHere"), onFiles: add }]} />
    </form>
  );
}

function useSending() {
  const client = useQueryClient();
  const [sent, setSent] = useState<Sent>(NOTHING);
  const [error, setError] = useState<Error | null>(null);
  const [going, setGoing] = useState(false);
  const ending = useRef<AbortController | null>(null);
  /** What is left to be sent, where it was stopped or failed. */
  const start = async (
    collection: string,
    files: File[],
    made: Partial<Schemas["CollectionRequest"]> | null,
  ): Promise<File[]> => {
    const { signal } = (ending.current = new AbortController());
    setGoing(true);
    setError(null);
    let so = NOTHING;
    setSent(so);
    try {
      if (made) {
        await call("/collections", { method: "POST", body: made, signal });
        await client.invalidateQueries({ queryKey: ["collections"] });
      }
      for (const batch of batches(files)) {
        so = await send(collection, batch, so, signal);
        setSent(so);
      }
    } catch (wrong) {
      if (!signal.aborted) setError(wrong as Error);
    } finally {
      setGoing(false);
    }
    return files.slice(so.done);
  };
  const stop = useCallback(() => ending.current?.abort(), []);
  const forget = useCallback(() => {
    setSent(NOTHING);
    setError(null);
  }, []);
  return { sent, error, going, start, stop, forget };
}

/** What became of what was sent. */
function Outcome({ sent, collection }: { sent: Sent; collection: string }) {
  const { t } = useTranslation();
  if (sent.done === 0) return null;
  const { stored, known, refused, run } = sent;
  return (
    <div role="status" className={styles.outcome}>
      <p>
        {stored > 0 && t("upload.stored", { count: stored })}{" "}
        {known > 0 && t("upload.known", { count: known })}{" "}
        {refused.length > 0 && t("upload.refused", { count: refused.length })}
      </p>
      {stored > 0 && (
        <p>
          {run ? <Link href={`/runs/${run}`}>{t("upload.run")}</Link> : t("upload.queued")}{" "}
          <Link href={writeView({ ...ALL, collection })}>{t("runs.look")}</Link>
        </p>
      )}
      {refused.length > 0 && (
        <ul>
          {refused.slice(0, 20).map(({ name, reason }, at) => (
            <li key={`${at} ${name}`}>
              <b>{name}</b> {reason}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
