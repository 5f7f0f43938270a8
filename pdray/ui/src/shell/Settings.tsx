import {
  ActionIcon,
  type MantineColorScheme,
  Menu,
  Tooltip,
  useMantineColorScheme,
} from "@mantine/core";
import {
  IconApi,
  IconDeviceDesktop,
  IconKeyOff,
  IconMoon,
  IconSettings,
  IconSun,
} from "@tabler/icons-react";
import { useState } from "react";
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
  const [opened, setOpened] = useState(false);
  const icon = { size: 17, stroke: 1.7, "aria-hidden": true } as const;
  return (
    <Menu opened={opened} onChange={setOpened} width={230} position="bottom-end" radius="md" shadow="md" zIndex={300}>
      <Menu.Target>
        <Tooltip label={t("settings.title")} openDelay={400} disabled={opened}>
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
        <Menu.RadioGroup
          value={colorScheme}
          onChange={(scheme) => setColorScheme(scheme as MantineColorScheme)}
        >
          {SCHEMES.map(([scheme, Icon]) => (
            <Menu.RadioItem key={scheme} value={scheme} rightSection={<Icon {...icon} />}>
              {t(`settings.${scheme}`)}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
        <Menu.Divider />
        <Menu.Label>{t("settings.language")}</Menu.Label>
        <Menu.RadioGroup value={i18n.language} onChange={(code) => void chooseLanguage(code)}>
          {languages.map((code) => (
            <Menu.RadioItem key={code} value={code} lang={code}>
              {languageName(code)}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
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
