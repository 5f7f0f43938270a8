import { IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { folderName } from "../filters/folders";
import type { Example } from "../query/mix";
import type { Chip as Part } from "../query/tokens";
import { useLook } from "../state/examples";
import styles from "./search.module.css";

export function Chip({ part, onRemove }: { part: Part; onRemove: () => void }) {
  const { t } = useTranslation();
  const value = part.field === "folder" ? folderName(part.value) : part.value;
  const said = part.kind === "phrase" ? `“${value}”` : value;
  return (
    <span className={styles.chip} data-minus={part.minus || undefined}>
      <span title={part.raw}>
        {part.minus && <b>{t("search.not")} </b>}
        {part.field && <b>{part.field} </b>}
        {said}
      </span>
      <Remove what={part.raw} onRemove={onRemove} />
    </span>
  );
}

/** An image that is looked for the like of, or the unlike. */
export function ExampleChip({ example, onRemove }: { example: Example; onRemove: () => void }) {
  const { t, i18n } = useTranslation();
  const { source, name } = useLook(example);
  const minus = example.weight < 0;
  const share = Math.abs(example.weight);
  const said = t(minus ? "search.unlike" : "search.like", { name });
  return (
    <span className={styles.chip} data-example data-minus={minus || undefined}>
      {source && <img src={source} alt="" />}
      <span title={said}>
        {said}
        {share !== 1 && <b> × {share.toLocaleString(i18n.language, { maximumSignificantDigits: 2 })}</b>}
      </span>
      <Remove what={said} onRemove={onRemove} />
    </span>
  );
}

function Remove({ what, onRemove }: { what: string; onRemove: () => void }) {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      className={styles.remove}
      aria-label={t("search.remove", { what })}
      onClick={(event) => {
        event.stopPropagation();
        onRemove();
      }}
    >
      <IconX size={14} aria-hidden />
    </button>
  );
}
