import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import { useSource } from "../api/source";
import type { Example } from "../query/mix";
import { findDropped } from "./dropped";

/** What an example is shown as: its picture where there is one to show, and its name. */
export function useLook({ kind, of }: Example): { source: string | undefined; name: string } {
  const { t } = useTranslation();
  const { data: known } = useQuery({ ...queries.image(of), enabled: kind === "like" });
  const thumbnail = useSource(known?.thumbnail);
  const dropped = useDropped(kind === "drop" ? of : null);
  switch (kind) {
    case "like":
      return { source: thumbnail, name: known?.name ?? t("search.anImage") };
    case "drop":
      return { source: dropped?.url, name: dropped?.name || t("search.yourImage") };
    case "web":
      return { source: undefined, name: webName(of) };
  }
}

function useDropped(id: string | null) {
  const [dropped, setDropped] = useState<{ id: string; url: string; name: string } | null>(null);
  useEffect(() => {
    if (!id) return;
    let url: string | null = null;
    let alive = true;
    void findDropped(id).then((found) => {
      if (!found || !alive) return;
      url = URL.createObjectURL(found.blob);
      setDropped({ id, url, name: found.name });
    });
    return () => {
      alive = false;
      if (url) URL.revokeObjectURL(url);
    };
  }, [id]);
  return dropped?.id === id ? dropped : null;
}

function webName(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
