import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../api/client";
import { bytes } from "../detail/facts";

/** Models and precisions as a list offers them: what each takes, and what speaks for it. */

export function ModelOption({ model }: { model: Schemas["ModelDocument"] | undefined }) {
  const { t, i18n } = useTranslation();
  if (!model) return null;
  const least = Math.min(...Object.values(model.weights));
  const said = [
    model.here ? t("runs.here") : t("runs.fetched"),
    Number.isFinite(least) ? t("runs.memoryFrom", { size: bytes(least, i18n.language) }) : null,
  ];
  return <Choice name={model.name} why={said.filter(Boolean).join(" · ")} />;
}

interface PrecisionProps {
  precision: Schemas["PrecisionDocument"] | undefined;
  memory: number | undefined;
}

export function PrecisionOption({ precision, memory }: PrecisionProps) {
  const { i18n } = useTranslation();
  if (!precision) return null;
  const size = memory ? bytes(memory, i18n.language) : null;
  return <Choice name={precision.name} why={[size, precision.why].filter(Boolean).join(" · ")} />;
}

function Choice({ name, why }: { name: string; why: string }) {
  return (
    <div>
      <div>{name}</div>
      <Text size="xs" c="dimmed">
        {why}
      </Text>
    </div>
  );
}
