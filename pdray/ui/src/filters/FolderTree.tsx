import { IconChevronRight, IconFolder } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import styles from "./filters.module.css";
import { type Folder, folderPath, folderQuery, folderTree } from "./folders";

interface Props {
  values: { value: string; count: number }[];
  chosen: string[];
  onToggle: (value: string) => void;
}

/** Where images come from: a folder stands for all that is below it. */
export function FolderTree({ values, chosen, onToggle }: Props) {
  const { t } = useTranslation();
  const roots = useMemo(() => folderTree(values), [values]);
  if (roots.length === 0) return null;
  return (
    <section className={styles.group} aria-label={t("filter.folder")}>
      <h2>{t("filter.folder")}</h2>
      <ul className={styles.values}>
        {roots.map((folder) => (
          <Branch key={folder.value} {...{ folder, chosen, onToggle }} open={roots.length === 1} />
        ))}
      </ul>
    </section>
  );
}

interface BranchProps {
  folder: Folder;
  chosen: string[];
  onToggle: (value: string) => void;
  open: boolean;
}

function Branch({ folder, chosen, onToggle, open }: BranchProps) {
  const { t, i18n } = useTranslation();
  const own = folderQuery(folder.value);
  const leads = chosen.some((one) => one.startsWith(`${own}/`));
  const [unfolded, setUnfolded] = useState(open || leads);
  return (
    <li>
      <div className={styles.folder}>
        {folder.children.length > 0 ? (
          <button
            type="button"
            className={styles.fold}
            aria-expanded={unfolded}
            aria-label={t(unfolded ? "filter.close" : "filter.open", { what: folder.name })}
            onClick={() => setUnfolded(!unfolded)}
          >
            <IconChevronRight size={15} aria-hidden />
          </button>
        ) : (
          <span style={{ width: 24, flex: "none", display: "grid", placeItems: "center" }}>
            <IconFolder size={15} stroke={1.6} aria-hidden />
          </span>
        )}
        <button
          type="button"
          className={styles.value}
          title={folderPath(folder.value)}
          aria-pressed={chosen.includes(own)}
          onClick={() => onToggle(own)}
        >
          <span>{folder.name}</span>
          <span className={styles.count}>{folder.count.toLocaleString(i18n.language)}</span>
        </button>
      </div>
      {unfolded && folder.children.length > 0 && (
        <ul className={styles.nest}>
          {folder.children.map((child) => (
            <Branch key={child.value} folder={child} {...{ chosen, onToggle }} open={false} />
          ))}
        </ul>
      )}
    </li>
  );
}
