import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";

import { queries } from "../api/queries";
import { conditionsOf, valuesOf, withField } from "../query/tokens";
import type { View } from "../state/url";

/** How a condition is typed, and the facet that counts its values. */
export const COUNTED = [
  ["camera", "camera"],
  ["lens", "lens"],
  ["tag", "keywords"],
  ["orientation", "orientation"],
  ["format", "format"],
] as const;
const FACETS = COUNTED.map(([, facet]) => facet);

export type CountedField = (typeof COUNTED)[number][0];

/** Counts under the query, and for a field with a condition counts as if that weren't there. */
export function useCounts(view: View) {
  const q = conditionsOf(view.q);
  const all = useQuery({
    ...queries.facets(q, view.collection, FACETS),
    placeholderData: keepPreviousData,
  });
  const open = COUNTED.filter(([field]) => field !== "tag" && valuesOf(q, field).length > 0);
  const others = useQueries({
    queries: open.map(([field, facet]) => ({
      ...queries.facets(withField(q, field, null), view.collection, [facet]),
      placeholderData: keepPreviousData,
    })),
  });
  if (!all.data) return undefined;
  const found = { ...all.data.facets };
  for (const { data } of others) Object.assign(found, data?.facets);
  return found;
}
