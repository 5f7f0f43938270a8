import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from "@mantine/core";
import {
  IconApi,
  IconCheck,
  IconDeviceDesktop,
  IconKeyOff,
  IconLanguage,
  IconMoon,
  IconSettings,
  IconSun,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { forgetKey, useKey } from "../api/key";
import { chooseLanguage, languageName, languages } from "../i18n";

const SCHEMES = [
  ["auto", IconDeviceDesktop],
  ["light", IconSun],
  ["dark", IconMoon],
] as const;

/** Theme, language, and what there is beside the page. */
export function Settings() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const key = useKey();
  const icon = { size: 17, stroke: 1.7, "aria-hidden": true } as const;
  const chosen = <IconCheck {...icon} />;
  return (
    <Menu width={230} position="bottom-end" radius="md" shadow="md" zIndex={300}>
      <Menu.Target>
        <Tooltip label={t("settings.title")} openDelay={400}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={40}
            radius="xl"
            aria-label={t("settings.title")}
          >
            <IconSettings size={21} stroke={1.7} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t("settings.theme")}</Menu.Label>
        {SCHEMES.map(([scheme, Icon]) => (
          <Menu.Item
            key={scheme}
            role="menuitemradio"
            aria-checked={colorScheme === scheme}
            leftSection={<Icon {...icon} />}
            rightSection={colorScheme === scheme && chosen}
            onClick={() => setColorScheme(scheme)}
          >
            {t(`settings.${scheme}`)}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>{t("settings.language")}</Menu.Label>
        {languages.map((code) => (
          <Menu.Item
            key={code}
            role="menuitemradio"
            aria-checked={i18n.language === code}
            lang={code}
            leftSection={<IconLanguage {...icon} />}
            rightSection={i18n.language === code && chosen}
            onClick={() => void chooseLanguage(code)}
          >
            {languageName(code)}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item component="a" href="/docs" leftSection={<IconApi {...icon} />}>
          {t("settings.docs")}
        </Menu.Item>
        {key !== null && (
          <Menu.Item
            leftSection={<IconKeyOff {...icon} />}
            onClick={() => {
              forgetKey();
              location.reload();
            }}
          >
            {t("settings.forget")}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
