import { Button, Chip, NumberInput, Skeleton, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import {
  bound,
  bounds,
  conditionsOf,
  join,
  PRESENCE,
  split,
  toggled,
  valuesOf,
  withField,
} from "../query/tokens";
import type { View } from "../state/url";
import styles from "./filters.module.css";
import { FolderTree } from "./FolderTree";
import { means } from "./names";

interface Props {
  view: View;
  onChange: (q: string) => void;
}

/** How a condition is typed, and the facet that counts its values. */
const COUNTED = [
  ["camera", "camera"],
  ["lens", "lens"],
  ["tag", "keywords"],
  ["orientation", "orientation"],
  ["format", "format"],
] as const;
const FACETS = COUNTED.map(([, facet]) => facet);
const FEW = 6;
const TOLD = 200; // values of a facet: where there are as many there may be more

/** Conditions by hand: each group counts what its values would leave, all others being as they are. */
export function FilterPanel({ view, onChange }: Props) {
  const { t } = useTranslation();
  const facets = useCounts(view);
  const set = (field: string, value: string | null) => onChange(withField(view.q, field, value));
  const named = COUNTED.map(([field, facet]) => ({ field, values: facets?.[facet] ?? [] }));
  const conditions = conditionsOf(view.q) !== "";
  return (
    <div className={styles.panel}>
      {conditions && (
        <Button
          variant="default"
          size="xs"
          onClick={() => onChange(onlyWords(view.q))}
          style={{ alignSelf: "flex-start" }}
        >
          {t("filter.clear")}
        </Button>
      )}
      <Group title={t("filter.taken")}>
        <Dates key={view.q} view={view} onSet={(value) => set("taken", value)} />
      </Group>
      {!facets && <Skeleton height={160} radius="md" aria-hidden />}
      <FolderTree
        q={withField(conditionsOf(view.q), "folder", null)}
        collection={view.collection}
        chosen={valuesOf(view.q, "folder")}
        onToggle={(folder, chosen) => set("folder", chosen ? null : folder)}
      />
      {named.map(({ field, values }) => (
        <Values
          key={field}
          field={field}
          view={view}
          values={values}
          chosen={valuesOf(view.q, field)}
          onToggle={(value, chosen) => {
            if (field === "tag" && !chosen) onChange(toggled(view.q, field, value));
            else if (field === "tag") onChange(without(view.q, field, value));
            else onChange(withField(view.q, field, chosen ? null : value));
          }}
        />
      ))}
      <Numbers key={`n ${view.q}`} view={view} onSet={set} />
      <Group title={t("filter.has")}>
        <div style={{ display: "flex", flexWrap: "wrap", gap: 6 }}>
          {PRESENCE.map((one) => (
            <Chip
              key={one}
              size="xs"
              variant="outline"
              checked={valuesOf(view.q, "has").includes(one)}
              onChange={() => onChange(toggled(view.q, "has", one))}
            >
              {t(`has.${one}` as "has.date")}
            </Chip>
          ))}
        </div>
      </Group>
    </div>
  );
}

function onlyWords(q: string): string {
  const { words, chips } = split(q);
  return join(words, chips.filter((chip) => chip.kind !== "condition"));
}

/** The query without the conditions of a field that mean a value. */
function without(q: string, field: string, value: string): string {
  const { words, chips } = split(q);
  const kept = chips.filter((chip) => chip.minus || chip.field !== field || !means(chip.value, value));
  return join(words, kept);
}

/** Counts under the query, and for a field with a condition counts as if that weren't there. */
function useCounts(view: View) {
  const q = conditionsOf(view.q);
  const all = useQuery({
    ...queries.facets(q, view.collection, FACETS),
    placeholderData: keepPreviousData,
  });
  const open = COUNTED.filter(([field]) => field !== "tag" && valuesOf(q, field).length > 0);
  const others = useQueries({
    queries: open.map(([field, facet]) => ({
      ...queries.facets(withField(q, field, null), view.collection, [facet]),
      placeholderData: keepPreviousData,
    })),
  });
  if (!all.data) return undefined;
  const found = { ...all.data.facets };
  for (const { data } of others) Object.assign(found, data?.facets);
  return found;
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className={styles.group} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

interface ValuesProps {
  field: (typeof COUNTED)[number][0];
  view: View;
  values: { value: string; count: number }[];
  chosen: string[];
  onToggle: (value: string, chosen: boolean) => void;
}

function Values({ field, view, values, chosen, onToggle }: ValuesProps) {
  const { t, i18n } = useTranslation();
  const [all, setAll] = useState(false);
  const [sought, setSought] = useState("");
  const many = values.length > FEW + 2;
  const more = useMore(view, field, values.length < TOLD ? "" : sought);
  const shown = useMemo(() => {
    const wanted = sought.trim().toLowerCase();
    if (wanted && more) return more;
    const found = wanted ? values.filter((one) => one.value.toLowerCase().includes(wanted)) : values;
    return all || !many ? found : found.slice(0, FEW);
  }, [values, more, sought, all, many]);
  if (values.length === 0) return null;
  const said = (value: string) =>
    field === "orientation" ? t(`orientation.${value}` as "orientation.square", value) : value;
  const title = t(`filter.${field}` as "filter.camera");
  return (
    <Group title={title}>
      {many && all && (
        <TextInput
          size="xs"
          mb={6}
          value={sought}
          aria-label={t("filter.find", { what: title })}
          placeholder={t("filter.find", { what: title })}
          onChange={(event) => setSought(event.currentTarget.value)}
        />
      )}
      <ul className={styles.values}>
        {shown.map(({ value, count }) => {
          const on = chosen.some((one) => means(one, value));
          return (
            <li key={value}>
              <button
                type="button"
                className={styles.value}
                aria-pressed={on}
                onClick={() => onToggle(value, on)}
              >
                <span>{said(value)}</span>
                <span className={styles.count}>{count.toLocaleString(i18n.language)}</span>
              </button>
            </li>
          );
        })}
      </ul>
      {many && (
        <Button variant="subtle" size="compact-xs" mt={4} onClick={() => setAll(!all)}>
          {all
            ? t("filter.fewer")
            : t(values.length < TOLD ? "filter.all" : "filter.most", { count: values.length })}
        </Button>
      )}
    </Group>
  );
}

/** What the server finds among more values than it told. */
function useMore(view: View, field: ValuesProps["field"], typed: string) {
  const [sought] = useDebouncedValue(typed.trim(), 250);
  const facet = COUNTED.find(([one]) => one === field)![1];
  const q = conditionsOf(field === "tag" ? view.q : withField(view.q, field, null));
  const { data } = useQuery({
    ...queries.sought(q, view.collection, facet, sought),
    enabled: sought !== "",
    placeholderData: keepPreviousData,
  });
  return sought ? data?.facets[facet] : undefined;
}

function Dates({ view, onSet }: { view: View; onSet: (value: string | null) => void }) {
  const { t } = useTranslation();
  const [first, last] = bounds(valuesOf(view.q, "taken")[0] ?? "");
  const day = (text: string, end: boolean) => {
    const [year, month, date] = text.split("-");
    if (!year) return "";
    const lastDay = new Date(Date.UTC(Number(year), Number(month ?? 12), 0)).getUTCDate();
    return [
      year.padStart(4, "0"),
      (month ?? (end ? "12" : "01")).padStart(2, "0"),
      (date ?? (end ? String(lastDay) : "01")).padStart(2, "0"),
    ].join("-");
  };
  const [from, setFrom] = useState(day(first, false));
  const [to, setTo] = useState(day(last, true));
  const done = () => {
    if (from === day(first, false) && to === day(last, true)) return;
    onSet(from && to && from > to ? bound(to, from) : bound(from, to));
  };
  const blur = { onBlur: done, onKeyDown: (event: React.KeyboardEvent) => event.key === "Enter" && done() };
  return (
    <div className={styles.two}>
      <TextInput
        size="xs"
        type="date"
        label={t("filter.from")}
        value={from}
        onChange={(event) => setFrom(event.currentTarget.value)}
        {...blur}
      />
      <TextInput
        size="xs"
        type="date"
        label={t("filter.to")}
        value={to}
        onChange={(event) => setTo(event.currentTarget.value)}
        {...blur}
      />
    </div>
  );
}

function Numbers({ view, onSet }: { view: View; onSet: (field: string, value: string | null) => void }) {
  const { t } = useTranslation();
  return (
    <Group title={t("filter.numbers")}>
      <div className={styles.two}>
        <Least field="iso" label={t("filter.iso")} {...{ view, onSet }} />
        <Least field="mp" label={t("filter.mp")} {...{ view, onSet }} />
        <Least field="rating" label={t("filter.rating")} max={5} {...{ view, onSet }} />
        <Least field="size" unit="MB" label={t("filter.size")} {...{ view, onSet }} />
      </div>
    </Group>
  );
}

interface LeastProps {
  field: string;
  label: string;
  view: View;
  onSet: (field: string, value: string | null) => void;
  unit?: string;
  max?: number;
}

function Least({ field, label, view, onSet, unit = "", max }: LeastProps) {
  const now = /^>=([\d.]+)/.exec(valuesOf(view.q, field)[0] ?? "")?.[1] ?? "";
  const [value, setValue] = useState<string | number>(now);
  const done = () => {
    if (String(value) === now) return;
    onSet(field, value === "" ? null : `>=${value}${unit}`);
  };
  return (
    <NumberInput
      size="xs"
      label={label}
      value={value}
      min={0}
      {...(max ? { max } : {})}
      hideControls
      onChange={setValue}
      onBlur={done}
      onKeyDown={(event) => event.key === "Enter" && done()}
    />
  );
}
