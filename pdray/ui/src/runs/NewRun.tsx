import { Autocomplete, Button, Collapse, Select, Switch, Textarea, TextInput } from "@mantine/core";
import { IconChevronDown, IconPlayerPlay } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { ApiProblem, type Schemas } from "../api/client";
import { queries } from "../api/queries";
import { bytes } from "../detail/facts";
import { useSaid } from "../i18n/useSaid";
import { ModelOption, PrecisionOption } from "./choices";
import styles from "./runs.module.css";
import { useStart } from "./useRuns";

const ORDER = ["label", "input", "description", "error"] as ("label" | "input" | "description" | "error")[];

/** What to index, and how. */
export function NewRun() {
  const { t, i18n } = useTranslation();
  const [, navigate] = useLocation();
  const start = useStart();
  const said = useSaid();
  const [wanted, setWanted] = useState(false);
  const collections = useQuery(queries.collections()).data;
  const known = useQuery({ ...queries.models(), enabled: wanted }).data;
  const [more, setMore] = useState(false);
  const [sources, setSources] = useState("");
  const [collection, setCollection] = useState("");
  const [model, setModel] = useState("");
  const [precision, setPrecision] = useState<string | null>(null);
  const [include, setInclude] = useState("");
  const [exclude, setExclude] = useState("");
  const [flags, setFlags] = useState({
    captions: false,
    full: false,
    retry_failed: false,
    allow_deletes: false,
  });

  const field = start.error instanceof ApiProblem ? start.error.field : null;
  const wrong = (name: string) =>
    start.error && field?.split(".")[0] === name ? said(start.error) : null;
  const named = ["sources", "collection", "model", "precision", "include", "exclude"];
  const elsewhere = start.error && !named.some((name) => wrong(name));
  const flag = (name: keyof typeof flags, label: string) => (
    <Switch
      label={label}
      checked={flags[name]}
      onChange={(event) => setFlags({ ...flags, [name]: event.currentTarget.checked })}
    />
  );
  const chosen = known?.models.find((one) => one.name === modelOf(model, collection, collections));
  const weights: Record<string, number | undefined> = chosen?.weights ?? {};
  const need = weights[precision ?? known?.precisions.find((one) => one.chosen)?.name ?? ""];
  const send = () =>
    start.mutate(
      {
        sources: lines(sources),
        ...(collection.trim() ? { collection: collection.trim() } : {}),
        ...(model.trim() ? { model: model.trim() } : {}),
        ...(precision ? { precision: precision as NonNullable<Schemas["RunRequest"]["precision"]> } : {}),
        include: globs(include),
        exclude: globs(exclude),
        ...flags,
      },
      { onSuccess: (run) => navigate(`/runs/${run.id}`) },
    );

  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Textarea
        label={t("runs.sources")}
        description={t("runs.sourcesHint")}
        autosize
        minRows={1}
        maxRows={8}
        spellCheck={false}
        value={sources}
        error={wrong("sources")}
        onChange={(event) => setSources(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
        }}
      />
      <Collapse expanded={more}>
        <div className={styles.two}>
          <Autocomplete
            label={t("runs.collection")}
            inputWrapperOrder={ORDER}
            description={t("runs.collectionHint")}
            placeholder={collections?.default ?? ""}
            data={collections?.collections.map((one) => one.name) ?? []}
            value={collection}
            error={wrong("collection")}
            onChange={setCollection}
          />
          <Autocomplete
            label={t("runs.model")}
            inputWrapperOrder={ORDER}
            description={t("runs.modelHint")}
            placeholder={t("runs.modelOwn")}
            data={known?.models.map((one) => one.name) ?? []}
            renderOption={({ option }) => (
              <ModelOption model={known?.models.find((one) => one.name === option.value)} />
            )}
            value={model}
            error={wrong("model")}
            onChange={setModel}
          />
          <Select
            label={t("runs.precision")}
            inputWrapperOrder={ORDER}
            description={need ? t("runs.memory", { size: bytes(need, i18n.language) }) : t("runs.precisionHint")}
            placeholder={t("runs.precisionAuto")}
            clearable
            clearButtonProps={{ "aria-label": t("runs.precisionAuto") }}
            data={known?.precisions.map(({ name, available }) => ({
              value: name,
              label: name,
              disabled: !available,
            })) ?? []}
            renderOption={({ option }) => (
              <PrecisionOption
                precision={known?.precisions.find((one) => one.name === option.value)}
                memory={weights[option.value]}
              />
            )}
            comboboxProps={{ width: 360, position: "bottom-end" }}
            value={precision}
            error={wrong("precision")}
            onChange={setPrecision}
          />
        </div>
        <div className={styles.two} style={{ marginTop: 16 }}>
          <TextInput
            label={t("runs.include")}
            inputWrapperOrder={ORDER}
            description={t("runs.globHint")}
            value={include}
            error={wrong("include")}
            onChange={(event) => setInclude(event.currentTarget.value)}
          />
          <TextInput
            label={t("runs.exclude")}
            inputWrapperOrder={ORDER}
            description={t("runs.globHint")}
            value={exclude}
            error={wrong("exclude")}
            onChange={(event) => setExclude(event.currentTarget.value)}
          />
        </div>
        <div className={styles.flags}>
          {flag("captions", t("runs.captions"))}
          {flag("full", t("runs.full"))}
          {flag("retry_failed", t("runs.retryFailed"))}
          {flag("allow_deletes", t("runs.allowDeletes"))}
        </div>
      </Collapse>
      {elsewhere && (
        <p className={styles.error} style={{ margin: 0 }} role="alert">
          {said(start.error)}
        </p>
      )}
      <div className={styles.send}>
        <Button
          variant="subtle"
          color="gray"
          aria-expanded={more}
          px={8}
          rightSection={
            <IconChevronDown
              size={16}
              aria-hidden
              style={{ rotate: more ? "180deg" : "0deg", transition: "rotate 120ms" }}
            />
          }
          onClick={() => {
            setWanted(true);
            setMore(!more);
          }}
        >
          {t("runs.more")}
        </Button>
        <Button
          type="submit"
          loading={start.isPending}
          disabled={lines(sources).length === 0}
          leftSection={<IconPlayerPlay size={17} stroke={1.7} aria-hidden />}
        >
          {t("runs.start")}
        </Button>
      </div>
    </form>
  );
}

/** The model that a run would take: the one that is named, or else the collection's own. */
function modelOf(
  model: string,
  collection: string,
  known: Schemas["Collections"] | undefined,
): string | undefined {
  if (model.trim()) return model.trim();
  const name = collection.trim() || known?.default;
  return known?.collections.find((one) => one.name === name)?.model;
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((one) => one.trim())
    .filter(Boolean);
}

function globs(text: string): string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean);
}
