import { Badge, Button, Select } from "@mantine/core";
import { IconAdjustmentsHorizontal } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import type { Snapshot } from "../grid/feed";
import { split } from "../query/tokens";
import { isRanked, type View } from "../state/url";
import { Balance, type Weighed } from "./Balance";
import { Export } from "./Export";
import styles from "./library.module.css";

interface BarProps {
  view: View;
  snapshot: Snapshot;
  filters: boolean;
  onFilters: () => void;
  onChange: (changes: Partial<View>) => void;
  onWeigh: (changes: Weighed) => void;
}

/** What stands over the grid: filters, how many there are, order, collection. */
export function Bar({ view, snapshot, filters, onFilters, onChange, onWeigh }: BarProps) {
  const { t } = useTranslation();
  const { data } = useQuery(queries.collections());
  const conditions = split(view.q).chips.filter((chip) => chip.kind === "condition").length;
  const sorts = sortsOf(view);
  const ranked = isRanked(view);
  const shown = snapshot.sections.some((one) => one.images.length > 0);
  const names = data?.collections.map((one) => one.name) ?? [];
  return (
    <div className={styles.bar}>
      <Button
        variant={filters ? "light" : "default"}
        size="xs"
        radius="xl"
        aria-expanded={filters}
        leftSection={<IconAdjustmentsHorizontal size={16} stroke={1.7} aria-hidden />}
        rightSection={conditions > 0 && <Badge size="sm" circle>{conditions}</Badge>}
        onClick={onFilters}
      >
        {t("filter.title")}
      </Button>
      <span className={styles.total} role="status">
        {snapshot.state === "ready" && snapshot.total !== null && t("grid.total", { count: snapshot.total })}
        {ranked && view.sort && t("bar.sorted", { count: SORTED })}
      </span>
      <Balance view={view} onWeigh={onWeigh} />
      {shown && <Export view={view} />}
      <Select
        size="xs"
        radius="xl"
        className={styles.sort!}
        aria-label={t("bar.sort")}
        allowDeselect={false}
        data={sorts.map((one) => ({ value: one, label: t(`bar.${one}`) }))}
        value={view.sort ?? sorts[0]!}
        onChange={(sort) => onChange({ sort: sort === sorts[0] ? null : sort })}
      />
      {names.length > 1 && (
        <Select
          size="xs"
          radius="xl"
          w={170}
          aria-label={t("bar.collection")}
          allowDeselect={false}
          data={names}
          value={view.collection ?? data?.default ?? null}
          onChange={(name) => onChange({ collection: name === data?.default ? null : name })}
        />
      )}
    </div>
  );
}

const SORTED = 500; // of the most relevant, where another order is asked for (serve/shapes.py)
const ORDERS = ["newest", "oldest", "largest", "smallest"] as const;

/** The orders that a view can have, its own first. */
function sortsOf(view: View): readonly ("relevance" | (typeof ORDERS)[number])[] {
  return isRanked(view) ? ["relevance", ...ORDERS] : ORDERS;
}
