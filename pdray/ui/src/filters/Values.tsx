import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import { conditionsOf, withField } from "../query/tokens";
import type { View } from "../state/url";
import { COUNTED, type CountedField } from "./counts";
import styles from "./filters.module.css";
import { Group } from "./Group";
import { means } from "./names";
import { Sought } from "./Sought";

const FEW = 6;
const TOLD = 200; // values of a facet: where there are as many there may be more

interface ValuesProps {
  field: CountedField;
  view: View;
  values: { value: string; count: number }[];
  chosen: string[];
  onToggle: (value: string, chosen: boolean) => void;
}

/** The values of one field, each with what it would leave. */
export function Values({ field, view, values, chosen, onToggle }: ValuesProps) {
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
      {many && all && <Sought what={title} value={sought} onChange={setSought} />}
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
function useMore(view: View, field: CountedField, typed: string) {
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
