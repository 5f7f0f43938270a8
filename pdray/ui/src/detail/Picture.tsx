import { IconInfoCircle } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { request } from "../api/client";
import { useKey } from "../api/key";
import { useSource } from "../api/source";
import type { Picture as Shown } from "../grid/feed";
import { useSaid } from "../i18n/useSaid";
import styles from "./detail.module.css";

const SHOWS = new Set(["jpeg", "png", "webp", "gif", "bmp", "avif"]);

/** The original once it is there; the thumbnail before, and instead of it where there is none. */
export function Picture({ picture, said }: { picture: Shown; said: string }) {
  const { t } = useTranslation();
  const shows = !picture.format || SHOWS.has(picture.format);
  const small = useSource(picture.thumbnail);
  const { source, why } = useOriginal(picture.file, shows);
  const [loaded, setLoaded] = useState(false);
  const reason = shows
    ? why
    : t("detail.format", { format: (picture.format ?? "").toUpperCase() });
  // The thumbnail takes the place of the original, so that nothing moves when that comes.
  const box = picture.width && picture.height ? { width: picture.width, height: picture.height } : {};
  return (
    <>
      <div className={styles.frame}>
        {!loaded && small && <img src={small} alt={said} style={box} />}
        {!small && reason && <span>{picture.name}</span>}
        {shows && source && !why && (
          <img
            src={source}
            alt={loaded ? said : ""}
            data-original
            style={loaded ? box : { ...box, opacity: 0 }}
            onLoad={() => setLoaded(true)}
          />
        )}
      </div>
      {reason && (
        <div className={styles.why} role="status">
          <IconInfoCircle size={18} stroke={1.7} aria-hidden />
          <span>
            {reason} {small && t("detail.thumbnail")}
          </span>
        </div>
      )}
    </>
  );
}

/** Asks for the first byte to learn whether the original is there, and why not. */
function useOriginal(url: string, wanted: boolean) {
  const said = useSaid();
  const key = useKey();
  const [why, setWhy] = useState<string | null>(null);
  const [good, setGood] = useState(false);
  useEffect(() => {
    if (!wanted) return;
    const ending = new AbortController();
    request(url, { headers: { Range: "bytes=0-0" }, signal: ending.signal }).then(
      async (answer) => {
        await answer.body?.cancel(); // what isn't asked by ranges comes whole: one byte was enough
        setGood(true);
      },
      (error: unknown) => {
        if (ending.signal.aborted) return;
        setWhy(said(error as Error));
      },
    );
    return () => ending.abort();
  }, [url, wanted, said]);
  const source = useSource(wanted && (good || key === null) ? url : null);
  return { source, why };
}
