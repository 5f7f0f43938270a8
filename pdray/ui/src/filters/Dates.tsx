import { TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { bound, bounds, valuesOf } from "../query/tokens";
import type { View } from "../state/url";
import styles from "./filters.module.css";

export function Dates({ view, onSet }: { view: View; onSet: (value: string | null) => void }) {
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
  const ends = [
    { label: t("filter.from"), value: from, set: setFrom },
    { label: t("filter.to"), value: to, set: setTo },
  ];
  return (
    <div className={styles.two}>
      {ends.map(({ label, value, set }) => (
        <TextInput
          key={label}
          size="xs"
          type="date"
          label={label}
          value={value}
          onChange={(event) => set(event.currentTarget.value)}
          onBlur={done}
          onKeyDown={(event) => event.key === "Enter" && done()}
        />
      ))}
    </div>
  );
}
