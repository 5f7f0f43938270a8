import { ActionIcon, Tooltip } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { request } from "../api/client";
import { useKey } from "../api/key";
import type { Picture } from "../grid/feed";
import { save } from "../shell/save";

/** The original as a file; where a key is needed it is fetched with it. */
export function Download({ picture }: { picture: Picture }) {
  const { t } = useTranslation();
  const key = useKey();
  const [busy, setBusy] = useState(false);
  const look = {
    variant: "subtle",
    color: "gray",
    size: 40,
    radius: "xl",
    "aria-label": t("detail.download"),
  } as const;
  const icon = <IconDownload size={20} stroke={1.7} aria-hidden />;
  if (key === null) {
    return (
      <Tooltip label={t("detail.download")} openDelay={400}>
        <ActionIcon {...look} component="a" href={picture.file} download={picture.name}>
          {icon}
        </ActionIcon>
      </Tooltip>
    );
  }
  const fetchIt = async () => {
    setBusy(true);
    try {
      const blob = await (await request(picture.file)).blob();
      save(blob, picture.name);
    } catch {
      // the note over the picture says why
    } finally {
      setBusy(false);
    }
  };
  return (
    <ActionIcon {...look} loading={busy} onClick={() => void fetchIt()}>
      {icon}
    </ActionIcon>
  );
}
