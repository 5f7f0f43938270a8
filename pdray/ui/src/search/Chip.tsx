import { IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { useSource } from "../api/source";
import { folderName } from "../filters/folders";
import type { Chip as Part } from "../query/tokens";
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

/** The image that is looked for the like of. */
export function ImageChip(props: {
  url: string | null;
  said: string;
  minus: boolean;
  onRemove: () => void;
}) {
  const { t } = useTranslation();
  const source = useSource(props.url?.startsWith("blob:") ? null : props.url);
  const shown = props.url?.startsWith("blob:") ? props.url : source;
  return (
    <span className={styles.chip} data-minus={props.minus || undefined}>
      {shown && <img src={shown} alt="" />}
      <span>
        {props.minus && <b>{t("search.not")} </b>}
        {props.said}
      </span>
      <Remove what={props.said} onRemove={props.onRemove} />
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
