import { ActionIcon, Tooltip } from "@mantine/core";
import { IconFolderPlus } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { useRuns } from "../runs/useRuns";
import { Settings } from "./Settings";
import styles from "./shell.module.css";

export function Header({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  const { data } = useRuns();
  const live = data?.runs.some((run) => run.live) ?? false;
  return (
    <>
      <a className={styles.skip} href="#content">
        {t("nav.skip")}
      </a>
      <header className={styles.header}>
        <Link href="/" className={styles.brand!} aria-label={`pdray: ${t("nav.home")}`}>
          <img src="/mark.svg" alt="" />
          <span>pdray</span>
        </Link>
        <div>{children}</div>
        <div className={styles.end}>
          <Tooltip label={live ? t("nav.live") : t("nav.runs")} openDelay={400}>
            <ActionIcon
              component={Link}
              href="/runs"
              variant="subtle"
              color="gray"
              size={40}
              radius="xl"
              aria-label={live ? t("nav.live") : t("nav.runs")}
              style={{ position: "relative" }}
            >
              <IconFolderPlus size={21} stroke={1.7} aria-hidden />
              {live && <span className={styles.live} />}
            </ActionIcon>
          </Tooltip>
          <Settings />
        </div>
      </header>
    </>
  );
}
