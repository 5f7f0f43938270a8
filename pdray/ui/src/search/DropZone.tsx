import { IconPhotoSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";

import { filesOf } from "./dropped";
import styles from "./search.module.css";

interface Props {
  /** What becomes of what is dropped. */
  said: string;
  onFiles: (files: File[]) => void;
}

/** Takes what is dropped anywhere on the page, and images that are pasted. */
export function DropZone({ said, onFiles }: Props) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const holds = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!holds(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!holds(event)) return;
      depth -= 1;
      if (depth <= 0) setOver(false);
    };
    const stay = (event: DragEvent) => {
      if (holds(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!holds(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      void filesOf(event.dataTransfer!).then((files) => {
        if (files.length > 0) onFiles(files);
      });
    };
    const paste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])].filter((one) =>
        one.type.startsWith("image/"),
      );
      if (files.length === 0) return;
      event.preventDefault();
      onFiles(files);
    };
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
  }, [onFiles]);
  if (!over) return null;
  return (
    <div className={styles.over} aria-hidden>
      <div>
        <IconPhotoSearch size={44} stroke={1.3} />
        {said}
      </div>
    </div>
  );
}
