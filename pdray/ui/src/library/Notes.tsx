import { IconLinkOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { MOST } from "../query/mix";
import type { View } from "../state/url";
import styles from "./library.module.css";

interface Props {
  view: View;
  /** Sentences of the server's. */
  notes: readonly string[];
  /** How many images found no place in the search. */
  left: number;
}

/** What is to be said of a search beside its hits. */
export function Notes({ view, notes, left }: Props) {
  const { t } = useTranslation();
  const own = view.examples.filter((one) => one.kind === "drop").length;
  const said = left > 0 ? [t("search.tooMany", { count: left, most: MOST }), ...notes] : notes;
  return (
    <>
      {own > 0 && (
        <p className={styles.aside}>
          <IconLinkOff size={16} stroke={1.7} aria-hidden />
          {t("search.local", { count: own })}
        </p>
      )}
      {said.length > 0 && (
        <div className={styles.notes} role="status">
          {said.map((note) => (
            <p key={note}>{note}</p>
          ))}
        </div>
      )}
    </>
  );
}
