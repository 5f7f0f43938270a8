import { IconPhotoSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import styles from "./search.module.css";

/** An image dropped anywhere on the page, or pasted, is what is looked for. */
export function DropZone({ onImage }: { onImage: (file: File) => void }) {
  const { t } = useTranslation();
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
      const [file] = event.dataTransfer?.files ?? [];
      if (file) onImage(file);
    };
    const paste = (event: ClipboardEvent) => {
      const file = [...(event.clipboardData?.files ?? [])].find((one) =>
        one.type.startsWith("image/"),
      );
      if (!file) return;
      event.preventDefault();
      onImage(file);
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
  }, [onImage]);
  if (!over) return null;
  return (
    <div className={styles.over} aria-hidden>
      <div>
        <IconPhotoSearch size={44} stroke={1.3} />
        {t("search.drop")}
      </div>
    </div>
  );
}
