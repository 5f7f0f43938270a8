import { Slider } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import styles from "./library.module.css";

const STEPS = 3; // doublings either way
const STEP = 0.5;

interface Props {
  /** What its slider is called. */
  name: string;
  /** What stands on it, where that is more than its name. */
  children?: ReactNode;
  weight: number;
  onSet: (weight: number) => void;
}

/** A step is a doubling: what counts half as much is as far away as what counts twice. */
export function Weight({ name, children, weight, onSet }: Props) {
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
        <span>{children ?? name}</span>
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
