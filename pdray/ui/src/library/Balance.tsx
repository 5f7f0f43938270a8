import { ActionIcon, Button, Indicator, Popover, Switch, Tooltip } from "@mantine/core";
import { IconScale } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { countSame, EQUAL, type Example, type Weights } from "../query/mix";
import { split } from "../query/tokens";
import { useLook } from "../state/examples";
import type { View } from "../state/url";
import styles from "./library.module.css";
import { Weight } from "./Weight";

export type Weighed = Partial<Pick<View, "examples" | "weights">>;

interface Props {
  view: View;
  /** Leaves no step to go back to: a slider passes many. */
  onWeigh: (changes: Weighed) => void;
}

/** How much words, images and unwanted words count beside each other. */
export function Balance({ view, onWeigh }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const { examples, weights } = view;
  const words = wordsOf(view.q);
  if (words.length + examples.length < 2) return null;
  const same = countSame(examples, weights);
  const several = examples.length > 1;
  const weigh = (at: number, weight: number) =>
    onWeigh({ examples: examples.map((one, index) => (index === at ? { ...one, weight } : one)) });
  const word = (part: keyof Weights) =>
    words.includes(part) && (
      <Weight
        name={t(`balance.${part}`)}
        weight={weights[part]}
        onSet={(weight) => onWeigh({ weights: { ...weights, [part]: weight } })}
      />
    );
  return (
    <Popover opened={open} onChange={setOpen} width={300} position="bottom-end" radius="md" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Tooltip label={t("balance.title")} openDelay={400} disabled={open}>
          <Indicator disabled={same} size={9} offset={4}>
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
          {word("text")}
          {examples.map((example, at) => (
            <ExampleWeight
              key={`${example.kind} ${example.of}`}
              example={example}
              number={several ? at + 1 : null}
              // Where nothing else is looked for, less of it would be all that is asked.
              turns={several || words.includes("text")}
              onSet={(weight) => weigh(at, weight)}
            />
          ))}
          {word("without")}
          <Button
            variant="subtle"
            size="compact-sm"
            disabled={same}
            onClick={() =>
              onWeigh({ examples: examples.map((one) => ({ ...one, weight: 1 })), weights: EQUAL })
            }
          >
            {t("balance.equal")}
          </Button>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

/** Which parts of the text there are to weigh. */
function wordsOf(q: string): (keyof Weights)[] {
  const { words, chips } = split(q);
  const parts: (keyof Weights)[] = [];
  if (words !== "" || chips.some((chip) => chip.kind === "phrase")) parts.push("text");
  if (chips.some((chip) => chip.kind === "without")) parts.push("without");
  return parts;
}

interface ExampleProps {
  example: Example;
  /** Its place among several; null where it is the only one. */
  number: number | null;
  /** Whether it may count against the rest. */
  turns: boolean;
  onSet: (weight: number) => void;
}

function ExampleWeight({ example, number, turns, onSet }: ExampleProps) {
  const { t } = useTranslation();
  const { source, name } = useLook(example);
  const sign = Math.sign(example.weight);
  return (
    <div className={styles.example}>
      <Weight
        name={number === null ? t("balance.image") : t("balance.imageOf", { number, name })}
        weight={Math.abs(example.weight)}
        onSet={(weight) => onSet(sign * weight)}
      >
        <span className={styles.look}>
          {source && <img src={source} alt="" />}
          <span>{name}</span>
        </span>
      </Weight>
      {turns && (
        <Switch
          size="sm"
          label={number === null ? t("balance.less") : t("balance.lessOf", { number })}
          checked={sign < 0}
          onChange={() => onSet(-example.weight)}
        />
      )}
    </div>
  );
}
