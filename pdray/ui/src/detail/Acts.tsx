import { ActionIcon, Tooltip } from "@mantine/core";
import { IconCheck, IconLink } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Picture } from "../grid/feed";
import { copy } from "../shell/save";
import { Download } from "./Download";

/** What can be taken along of an image: its link, its file. */
export function Acts({ picture }: { picture: Picture }) {
  const { t } = useTranslation();
  const link = `${location.origin}/?${new URLSearchParams({ image: picture.id })}`;
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      <Tooltip label={copied ? t("detail.copied") : t("detail.copy")} openDelay={400}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size={40}
          radius="xl"
          aria-label={copied ? t("detail.copied") : t("detail.copy")}
          onClick={() => void copy(link).then(setCopied)}
        >
          {copied ? (
            <IconCheck size={20} stroke={1.7} aria-hidden />
          ) : (
            <IconLink size={20} stroke={1.7} aria-hidden />
          )}
        </ActionIcon>
      </Tooltip>
      <Download picture={picture} />
    </>
  );
}
