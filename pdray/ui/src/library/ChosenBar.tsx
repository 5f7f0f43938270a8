import { ActionIcon, Button, Modal } from "@mantine/core";
import { IconTag, IconX } from "@tabler/icons-react";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { EditMany } from "./EditMany";
import styles from "./library.module.css";
import { type Chosen, MOST_CHOSEN } from "./useChosen";

interface Props {
  chosen: Chosen;
  collection: string | null;
}

/** How many images are chosen, and what can be done to them. Escape lets them go. */
export function ChosenBar({ chosen, collection }: Props) {
  const { t } = useTranslation();
  const [editing, setEditing] = useState(false);
  const [done, setDone] = useState<string | null>(null);
  const { ids, clear } = chosen;
  const count = ids.size;
  const none = useCallback(() => {
    setDone(null);
    clear();
  }, [clear]);
  useEffect(() => {
    if (editing || count === 0) return;
    const end = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) none();
    };
    window.addEventListener("keydown", end);
    return () => window.removeEventListener("keydown", end);
  }, [editing, count, none]);
  const edited = (images: number, missing: number) => {
    setEditing(false);
    clear();
    const said = t("choose.edited", { count: images });
    setDone(missing ? `${said} ${t("choose.missing", { count: missing })}` : said);
  };
  return (
    <>
      {count > 0 && (
        <div className={styles.toast} role="region" aria-label={t("choose.title")}>
          <span role="status">
            {t("choose.count", { count })}
            {count === MOST_CHOSEN && t("choose.most")}
          </span>
          <Button
            size="compact-sm"
            leftSection={<IconTag size={15} stroke={1.8} aria-hidden />}
            onClick={() => setEditing(true)}
          >
            {t("edit.title")}
          </Button>
          <ActionIcon variant="subtle" color="gray" aria-label={t("choose.clear")} onClick={none}>
            <IconX size={17} stroke={1.8} aria-hidden />
          </ActionIcon>
        </div>
      )}
      {count === 0 && done && (
        <div className={styles.toast} role="status">
          <span>{done}</span>
          <Button size="compact-sm" variant="default" onClick={() => setDone(null)}>
            {t("export.close")}
          </Button>
        </div>
      )}
      <Modal
        opened={editing}
        onClose={() => setEditing(false)}
        title={t("choose.editing", { count })}
        centered
        radius="lg"
        zIndex={450}
        closeButtonProps={{ "aria-label": t("edit.cancel") }}
      >
        <EditMany
          ids={[...ids]}
          collection={collection}
          onDone={edited}
          onCancel={() => setEditing(false)}
        />
      </Modal>
    </>
  );
}
