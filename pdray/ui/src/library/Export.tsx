import { ActionIcon, Button, Loader, Menu, Tooltip } from "@mantine/core";
import { IconFileDownload, IconFileZip, IconTable, IconTableExport } from "@tabler/icons-react";
import { useCallback, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { request } from "../api/client";
import { bytes } from "../detail/facts";
import { useSaid } from "../i18n/useSaid";
import { save } from "../shell/save";
import { bodyOf } from "../state/feeds";
import { isRanked, type View } from "../state/url";
import styles from "./library.module.css";

const KINDS = [
  ["csv", IconTable],
  ["parquet", IconTableExport],
  ["zip", IconFileZip],
] as const;
type Kind = (typeof KINDS)[number][0];

const RANKED = { csv: 10_000, parquet: 10_000, zip: 1_000 };
// Of conditions alone all of it is meant: one more than a zip holds is refused with the reason.
const ALL = { csv: 1_000_000, parquet: 1_000_000, zip: 1_001 };

/** What the grid shows, as a file. */
export function Export({ view }: { view: View }) {
  const { t, i18n } = useTranslation();
  const { state, start, end } = useExport(view);
  const ranked = isRanked(view);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Menu opened={open} onChange={setOpen} width={300} position="bottom-end" radius="md" shadow="md">
        <Menu.Target>
          <Tooltip label={t("export.title")} openDelay={400} disabled={open}>
            <ActionIcon
              variant="default"
              size={30}
              radius="xl"
              aria-label={t("export.title")}
              disabled={state?.error === null}
            >
              <IconFileDownload size={17} stroke={1.7} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {ranked ? t("export.best", { count: RANKED.csv }) : t("export.all")}
          </Menu.Label>
          {KINDS.map(([kind, Icon]) => (
            <Menu.Item
              key={kind}
              leftSection={<Icon size={18} stroke={1.7} aria-hidden />}
              onClick={() => void start(kind, (ranked ? RANKED : ALL)[kind])}
            >
              {t(`export.${kind}`)}
              <div className={styles.hint}>{t(`export.${kind}Hint`)}</div>
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {state && (
        <div className={styles.toast} role={state.error === null ? "status" : "alert"}>
          {state.error === null && <Loader size={16} color="currentColor" aria-hidden />}
          <span>
            {state.error ?? t("export.going", { size: bytes(state.got, i18n.language) })}
          </span>
          <Button size="compact-sm" variant="default" onClick={end}>
            {state.error === null ? t("export.stop") : t("export.close")}
          </Button>
        </div>
      )}
    </>
  );
}

interface Going {
  got: number;
  error: string | null;
}

/** One export at a time, with how much of it has come. */
function useExport(view: View) {
  const said = useSaid();
  const [state, setState] = useState<Going | null>(null);
  const ending = useRef<AbortController | null>(null);
  const start = useCallback(
    async (kind: Kind, limit: number) => {
      const mine = new AbortController();
      ending.current = mine;
      setState({ got: 0, error: null });
      try {
        const body = await bodyOf(view, { format: kind, limit });
        const answer = await request("/export", { method: "POST", body, signal: mine.signal });
        const blob = await received(answer, (got) => setState({ got, error: null }));
        save(blob, nameOf(answer) ?? `pdray.${kind}`);
        setState(null);
      } catch (error) {
        if (!mine.signal.aborted) setState({ got: 0, error: said(error as Error) });
      }
    },
    [view, said],
  );
  const end = useCallback(() => {
    ending.current?.abort();
    setState(null);
  }, []);
  return { state, start, end };
}

async function received(answer: Response, tell: (got: number) => void): Promise<Blob> {
  const reader = answer.body!.getReader();
  const parts: BlobPart[] = [];
  let got = 0;
  for (let told = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    got += value.length;
    if (performance.now() - told > 200) {
      told = performance.now();
      tell(got);
    }
  }
  return new Blob(parts, { type: answer.headers.get("Content-Type") ?? "" });
}

function nameOf(answer: Response): string | null {
  return /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? null;
}
