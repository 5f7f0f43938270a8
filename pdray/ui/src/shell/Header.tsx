import { ActionIcon, Tooltip } from "@mantine/core";
import { IconFolderPlus } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { Settings } from "./Settings";
import styles from "./shell.module.css";

export function Header({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <>
      <a className={styles.skip} href="#content">
        {t("nav.skip")}
      </a>
      <header className={styles.header}>
        <Link href="/" className={styles.brand!} aria-label={t("nav.home")}>
          <img src="/mark.svg" alt="" />
          <span>pdray</span>
        </Link>
        <div>{children}</div>
        <div className={styles.end}>
          <Tooltip label={t("nav.runs")} openDelay={400}>
            <ActionIcon
              component={Link}
              href="/runs"
              variant="subtle"
              color="gray"
              size={40}
              radius="xl"
              aria-label={t("nav.runs")}
            >
              <IconFolderPlus size={21} stroke={1.7} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <Settings />
        </div>
      </header>
    </>
  );
}
