import { TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface Props {
  /** What is sought among, as the user reads it. */
  what: string;
  value: string;
  onChange: (value: string) => void;
}

/** A line to find a value of a group by its letters. */
export function Sought({ what, value, onChange }: Props) {
  const { t } = useTranslation();
  const label = t("filter.find", { what });
  return (
    <TextInput
      size="xs"
      mb={6}
      value={value}
      aria-label={label}
      placeholder={label}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
