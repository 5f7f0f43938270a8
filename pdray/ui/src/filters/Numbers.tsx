import { NumberInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { valuesOf } from "../query/tokens";
import type { View } from "../state/url";
import styles from "./filters.module.css";
import { Group } from "./Group";

export function Numbers({ view, onSet }: { view: View; onSet: (field: string, value: string | null) => void }) {
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
