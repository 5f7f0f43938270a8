import { Button, Checkbox, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem, request } from "../api/client";
import { giveKey, useKey, useKeyAsked } from "../api/key";
import { useSaid } from "../i18n/useSaid";

/** Asks for the key where the server does. */
export function KeyDialog({ onGiven }: { onGiven: () => void }) {
  const { t } = useTranslation();
  const said = useSaid();
  const asked = useKeyAsked();
  const had = useKey();
  const client = useQueryClient();
  const [key, setKey] = useState("");
  const [remember, setRemember] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const enter = async () => {
    setBusy(true);
    setWrong(null);
    try {
      await request("/collections", { headers: { Authorization: `Bearer ${key.trim()}` } });
      giveKey(key.trim(), remember);
      setKey("");
      await client.resetQueries();
      onGiven();
    } catch (error) {
      const refused = error instanceof ApiProblem && error.status === 401;
      setWrong(refused ? t("key.wrong") : said(error as Error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened={asked}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title={t("key.title")}
      centered
      radius="lg"
      zIndex={500}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            {had === null ? t("key.why") : t("key.gone")}
          </Text>
          <PasswordInput
            label={t("key.label")}
            value={key}
            error={wrong}
            autoComplete="current-password"
            data-autofocus
            onChange={(event) => setKey(event.currentTarget.value)}
          />
          <Checkbox
            label={t("key.remember")}
            checked={remember}
            onChange={(event) => setRemember(event.currentTarget.checked)}
          />
          <Button type="submit" loading={busy} disabled={!key.trim()}>
            {t("key.enter")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
