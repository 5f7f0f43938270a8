import { ActionIcon, Button, Indicator, Popover, Slider, Switch, Tooltip } from "@mantine/core";
import { IconScale } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { split } from "../query/tokens";
import { EQUAL, readWeights, type Weights, writeWeights } from "../query/weights";
import type { View } from "../state/url";
import styles from "./library.module.css";

interface Props {
  view: View;
  /** Leaves no step to go back to: a slider passes many. */
  onWeigh: (weights: string | null) => void;
}

type Part = keyof Weights;

/** Which parts there are to weigh; none where one alone says what is looked for. */
function partsOf({ q, like, drop, web }: View): Part[] {
  const { words, chips } = split(q);
  const said = words !== "" || chips.some((chip) => chip.kind === "phrase");
  const parts: Part[] = [];
  if (said) parts.push("text");
  if (like ?? drop ?? web) parts.push("image");
  if (chips.some((chip) => chip.kind === "without")) parts.push("without");
  return parts.length > 1 ? parts : [];
}

/** How much words, image and unwanted words count beside each other. */
export function Balance({ view, onWeigh }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const parts = partsOf(view);
  if (parts.length === 0) return null;
  const weights = readWeights(view.weights);
  const set = (changes: Partial<Weights>) =>
    onWeigh(writeWeights({ ...weights, ...changes }));
  return (
    <Popover opened={open} onChange={setOpen} width={300} position="bottom-end" radius="md" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Tooltip label={t("balance.title")} openDelay={400} disabled={open}>
          <Indicator disabled={view.weights === null} size={9} offset={4}>
            <ActionIcon
              variant="default"
              size={30}
              radius="xl"
              aria-label={t("balance.title")}
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              <IconScale size={17} stroke={1.7} aria-hidden />
            </ActionIcon>
          </Indicator>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("balance.title")}>
        <div className={styles.balance}>
          {parts.map((part) => (
            <Weight
              key={part}
              name={t(`balance.${part}`)}
              weight={Math.abs(weights[part])}
              onSet={(weight) => set({ [part]: Math.sign(weights[part]) * weight })}
            />
          ))}
          {parts.includes("image") && parts.includes("text") && (
            <Switch
              size="sm"
              label={t("balance.less")}
              checked={weights.image < 0}
              onChange={() => set({ image: -weights.image })}
            />
          )}
          <Button
            variant="subtle"
            size="compact-sm"
            disabled={view.weights === null}
            onClick={() => onWeigh(writeWeights(EQUAL))}
          >
            {t("balance.equal")}
          </Button>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

const STEPS = 3; // doublings either way
const STEP = 0.5;

/** A step is a doubling: what counts half as much is as far away as what counts twice. */
function Weight(props: { name: string; weight: number; onSet: (weight: number) => void }) {
  const { name, weight, onSet } = props;
  const { i18n } = useTranslation();
  const near = Math.round(Math.log2(weight) / STEP) * STEP;
  const told = Math.max(-STEPS, Math.min(STEPS, near));
  const [at, setAt] = useState(told);
  const [of, setOf] = useState(told);
  if (of !== told) {
    setOf(told); // somebody else changed it
    setAt(told);
  }
  const said = (step: number) =>
    `× ${(2 ** step).toLocaleString(i18n.language, { maximumSignificantDigits: 2 })}`;
  return (
    <div>
      <div className={styles.weight} aria-hidden>
        <span>{name}</span>
        <span>{said(at)}</span>
      </div>
      <Slider
        min={-STEPS}
        max={STEPS}
        step={STEP}
        size="sm"
        label={null}
        thumbLabel={name}
        thumbProps={{ "aria-valuetext": said(at) }}
        marks={[{ value: 0 }]}
        value={at}
        onChange={setAt}
        onChangeEnd={(step) => onSet(2 ** step)}
      />
    </div>
  );
}
