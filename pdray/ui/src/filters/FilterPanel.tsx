import { Button, Chip, Skeleton } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { conditionsOf, join, PRESENCE, split, toggled, valuesOf, withField } from "../query/tokens";
import type { View } from "../state/url";
import { COUNTED, useCounts } from "./counts";
import { Dates } from "./Dates";
import styles from "./filters.module.css";
import { FolderTree } from "./FolderTree";
import { Group } from "./Group";
import { means } from "./names";
import { Numbers } from "./Numbers";
import { Values } from "./Values";

interface Props {
  view: View;
  onChange: (q: string) => void;
}

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
