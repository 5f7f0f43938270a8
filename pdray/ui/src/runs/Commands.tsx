import { Button, Modal, Text } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconRefresh, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { useSaid } from "../i18n/useSaid";
import type { Run } from "./figures";
import styles from "./runs.module.css";
import { useCommand } from "./useRuns";

/** What can be asked of a run now. */
export function Commands({ run }: { run: Run }) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const said = useSaid();
  const command = useCommand();
  const [sure, setSure] = useState(false);
  const icon = { size: 17, stroke: 1.7, "aria-hidden": true } as const;
  const ask = (what: "pause" | "resume" | "cancel") => command.mutate({ id: run.id, command: what });
  const retry = () =>
    command.mutate(
      { id: run.id, command: "retry" },
      { onSuccess: (next) => navigate(`/runs/${next.id}`) },
    );
  if (!run.live && run.failed === 0) return null;
  return (
    <>
      <div className={styles.acts}>
        {run.live && run.state === "running" && (
          <Button
            variant="default"
            leftSection={<IconPlayerPause {...icon} />}
            loading={command.isPending}
            onClick={() => ask("pause")}
          >
            {t("runs.pause")}
          </Button>
        )}
        {run.live && run.state === "paused" && (
          <Button
            leftSection={<IconPlayerPlay {...icon} />}
            loading={command.isPending}
            onClick={() => ask("resume")}
          >
            {t("runs.resume")}
          </Button>
        )}
        {run.live && run.state !== "cancelling" && (
          <Button variant="default" leftSection={<IconX {...icon} />} onClick={() => setSure(true)}>
            {t("runs.cancel")}
          </Button>
        )}
        {!run.live && run.failed > 0 && (
          <Button
            variant="default"
            leftSection={<IconRefresh {...icon} />}
            loading={command.isPending}
            onClick={retry}
          >
            {t("runs.retry")}
          </Button>
        )}
      </div>
      {command.error && (
        <p className={styles.error} role="alert">
          {said(command.error)}
        </p>
      )}
      <Modal
        opened={sure}
        onClose={() => setSure(false)}
        title={t("runs.cancel")}
        centered
        radius="lg"
        closeButtonProps={{ "aria-label": t("runs.cancelNo") }}
      >
        <Text size="sm" mb="lg">
          {t("runs.cancelSure")}
        </Text>
        <div className={styles.acts} style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={() => setSure(false)} data-autofocus>
            {t("runs.cancelNo")}
          </Button>
          <Button
            color="red.9"
            onClick={() => {
              setSure(false);
              ask("cancel");
            }}
          >
            {t("runs.cancelYes")}
          </Button>
        </div>
      </Modal>
    </>
  );
}
