import { IconPhotoPlus, IconPhotoSearch } from "@tabler/icons-react";
import { useEffect, useEffectEvent, useState } from "react";

import { filesOf } from "./dropped";
import styles from "./search.module.css";

interface Target {
  /** What becomes of what is dropped on it. */
  said: string;
  onFiles: (files: File[]) => void;
}

interface Props {
  /** The first takes what is dropped beside them, the last what is pasted into a field. */
  targets: readonly [Target, ...Target[]];
}

/** Takes what is dropped anywhere on the page, and images that are pasted. */
export function DropZone({ targets }: Props) {
  const [over, setOver] = useState<number | null>(null);
  const take = useEffectEvent((files: File[], at: number) => {
    if (files.length > 0) (targets[at] ?? targets[0]).onFiles(files);
  });
  const pasted = useEffectEvent((event: ClipboardEvent) => {
    const all = [...(event.clipboardData?.files ?? [])];
    const files = all.filter((one) => one.type.startsWith("image/"));
    if (files.length === 0) return;
    event.preventDefault();
    const field = (event.target as Element | null)?.closest("input, textarea");
    take(files, field ? targets.length - 1 : 0);
  });
  useEffect(() => {
    let depth = 0;
    const holds = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!holds(event)) return;
      depth += 1;
      setOver(targetOf(event));
    };
    const leave = (event: DragEvent) => {
      if (!holds(event)) return;
      depth -= 1;
      if (depth <= 0) setOver(null);
    };
    const stay = (event: DragEvent) => {
      if (!holds(event)) return;
      event.preventDefault();
      setOver(targetOf(event));
    };
    const drop = (event: DragEvent) => {
      if (!holds(event)) return;
      event.preventDefault();
      const at = targetOf(event);
      depth = 0;
      setOver(null);
      void filesOf(event.dataTransfer!).then((files) => take(files, at));
    };
    const paste = (event: ClipboardEvent) => pasted(event);
    const all = [
      ["dragenter", enter],
      ["dragleave", leave],
      ["dragover", stay],
      ["drop", drop],
      ["paste", paste],
    ] as const;
    for (const [name, listener] of all) window.addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of all) {
        window.removeEventListener(name, listener as EventListener);
      }
    };
  }, []);
  if (over === null) return null;
  return (
    <div className={styles.over} aria-hidden>
      {targets.map(({ said }, at) => {
        const Icon = at > 0 ? IconPhotoPlus : IconPhotoSearch;
        return (
          <div key={said} data-drop={at} data-over={at === over || undefined}>
            <Icon size={44} stroke={1.3} />
            {said}
          </div>
        );
      })}
    </div>
  );
}

function targetOf(event: DragEvent): number {
  const found = (event.target as Element | null)?.closest?.<HTMLElement>("[data-drop]");
  return Number(found?.dataset.drop ?? 0);
}
