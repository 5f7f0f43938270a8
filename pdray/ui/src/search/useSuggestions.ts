import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import { pastQueries } from "../state/history";
import type { View } from "../state/url";
import { past, proposed, type Suggestion } from "./suggest";

/** What may follow `words`; those that stood there `before` anything was typed need none. */
export function useSuggestions(
  words: string,
  before: string,
  view: View,
  wanted: boolean,
): Suggestion[] {
  const { t, i18n } = useTranslation();
  const typing = words !== before && words !== "";
  const { data } = useQuery({
    ...queries.suggestions(words, view.collection),
    enabled: wanted && typing,
    placeholderData: keepPreviousData,
  });
  return useMemo(() => {
    if (!wanted || (!typing && words !== "")) return [];
    const explain = (field: string) => t(`field.${field}` as "field.camera", "");
    const queries = pastQueries().filter((one) => one !== view.q);
    return [
      ...past(words, queries),
      ...(typing && data ? proposed(data.completions, explain, i18n.language) : []),
    ];
  }, [words, typing, wanted, data, view.q, t, i18n.language]);
}
