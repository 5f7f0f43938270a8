import { Button } from "@mantine/core";
import { IconFolderPlus, IconPhotoOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { split } from "../query/tokens";
import { State } from "../shell/StateOf";
import { ALL, isRanked, type View } from "../state/url";
import styles from "./library.module.css";

/** In place of the grid where it would be empty. */
export function Nothing({ view, onChange }: { view: View; onChange: (changes: Partial<View>) => void }) {
  const { t } = useTranslation();
  const icon = <IconPhotoOff size={44} stroke={1.3} aria-hidden />;
  const asked = view.q !== "" || isRanked(view);
  if (!asked) {
    return (
      <State
        icon={icon}
        title={t("state.empty")}
        acts={
          <Button
            component={Link}
            href="/runs"
            leftSection={<IconFolderPlus size={18} stroke={1.7} aria-hidden />}
          >
            {t("nav.runs")}
          </Button>
        }
      >
        {t("state.emptyMore")}
      </State>
    );
  }
  const { words, chips } = split(view.q);
  const narrowed = chips.length > 0 && isRanked({ ...view, q: words });
  return (
    <State
      icon={icon}
      title={t("state.nothing")}
      live="status"
      acts={
        <>
          {narrowed && (
            <Button variant="default" onClick={() => onChange({ q: words })}>
              {t("state.wider")}
            </Button>
          )}
          <Button variant="default" onClick={() => onChange({ ...ALL, collection: view.collection })}>
            {t("state.all")}
          </Button>
        </>
      }
    >
      {t("state.nothingMore")}
    </State>
  );
}

const SHAPES = [
  [3, 2, 4, 2, 3],
  [2, 4, 3, 3, 2],
  [4, 2, 2, 3, 3],
  [3, 3, 4, 2, 2],
];

/** In place of the grid before anything is known of it. */
export function Waiting() {
  const { t } = useTranslation();
  return (
    <div className={styles.waiting} role="status" aria-label={t("state.loading")}>
      {SHAPES.map((row, at) => (
        <div key={at}>
          {row.map((share, index) => (
            <span key={index} style={{ flex: share }} />
          ))}
        </div>
      ))}
    </div>
  );
}
