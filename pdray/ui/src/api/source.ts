import { useEffect, useState } from "react";

import { request } from "./client";
import { useKey } from "./key";

/** What an <img> shows of an address of the API. Where a key is needed, which an <img> can't send,
 * the bytes are fetched with it. */
export function useSource(url: string | null | undefined): string | undefined {
  const key = useKey();
  const [made, setMade] = useState<{ of: string; url: string }>();
  useEffect(() => {
    if (key === null || !url) return;
    const ending = new AbortController();
    let object: string | undefined;
    request(url, { signal: ending.signal })
      .then((answer) => answer.blob())
      .then((blob) => {
        if (ending.signal.aborted) return;
        object = URL.createObjectURL(blob);
        setMade({ of: url, url: object });
      })
      .catch(() => undefined); // the place stays empty, as it does for an <img>
    return () => {
      ending.abort();
      if (object) URL.revokeObjectURL(object);
    };
  }, [key, url]);
  if (key === null) return url ?? undefined;
  return made?.of === url ? made?.url : undefined;
}
