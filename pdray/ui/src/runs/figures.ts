import type { Schemas } from "../api/client";
import { folderPath } from "../filters/folders";

/** Figures of runs as people say them. Pure. */

export type Run = Schemas["RunDocument"];

const UNITS = [
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** 3,725 seconds are "1 hr 2 min": the two largest units that count. */
export function duration(seconds: number, language: string): string {
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0 && parts.length < 2) {
      parts.push(
        new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count),
      );
    }
  }
  const none = { style: "unit", unit: "second", unitDisplay: "short" } as const;
  return parts.join(" ") || new Intl.NumberFormat(language, none).format(0);
}

/** What a run reads, in few words. */
export function nameOf(run: Run): string {
  const [first = run.collection, ...others] = run.sources;
  const shown = folderPath(first);
  return others.length > 0 ? `${shown} +${others.length}` : shown;
}

export function share(run: Run): number | null {
  if (run.state === "completed") return 100;
  if (!run.total) return null;
  return Math.min(100, (100 * run.done) / run.total);
}

export type Tone = "live" | "held" | "good" | "bad" | "quiet";

export function toneOf(state: Run["state"]): Tone {
  switch (state) {
    case "starting":
    case "running":
      return "live";
    case "paused":
    case "cancelling":
      return "held";
    case "completed":
      return "good";
    case "failed":
    case "died":
      return "bad";
    case "cancelled":
      return "quiet";
  }
}
