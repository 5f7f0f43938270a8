import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { call, type Schemas } from "./client";

export type Facets = Record<string, Schemas["FacetValue"][]>;

export const queries = {
  collections: () =>
    queryOptions({
      queryKey: ["collections"],
      queryFn: ({ signal }) => call<Schemas["Collections"]>("/collections", { signal }),
      staleTime: 10_000,
    }),
  facets: (q: string, collection: string | null, fields?: readonly string[]) =>
    queryOptions({
      queryKey: ["facets", collection, q, fields ?? null],
      queryFn: ({ signal }) =>
        call<Schemas["FacetAnswer"]>("/facets", {
          query: { q: q || null, collection, ...(fields ? { field: fields } : {}) },
          signal,
        }),
      staleTime: 30_000,
    }),
  /** Values of one field that have words beginning with what is sought. */
  sought: (q: string, collection: string | null, field: string, find: string) =>
    queryOptions({
      queryKey: ["facets", collection, q, field, find],
      queryFn: ({ signal }) =>
        call<Schemas["FacetAnswer"]>("/facets", {
          query: { q: q || null, collection, field: [field], find, limit: 100 },
          signal,
        }),
      staleTime: 30_000,
    }),
  folders: (of: {
    q: string;
    collection: string | null;
    within: string | null;
    find: string | null;
  }) =>
    infiniteQueryOptions({
      queryKey: ["facets", "folders", of.collection, of.q, of.within, of.find],
      queryFn: ({ pageParam, signal }) =>
        call<Schemas["Folders"]>("/folders", {
          query: {
            q: of.q || null,
            collection: of.collection,
            within: of.within,
            find: of.find,
            limit: 100,
            cursor: pageParam,
          },
          signal,
        }),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next_cursor ?? null,
      staleTime: 30_000,
    }),
  suggestions: (typed: string, collection: string | null) =>
    queryOptions({
      queryKey: ["suggestions", collection, typed],
      queryFn: ({ signal }) =>
        call<Schemas["Suggestions"]>("/suggest", { query: { q: typed, collection, limit: 8 }, signal }),
      staleTime: 30_000,
    }),
  image: (id: string) =>
    queryOptions({
      queryKey: ["image", id],
      queryFn: ({ signal }) => call<Schemas["Image"]>(`/images/${encodeURIComponent(id)}`, { signal }),
      staleTime: 60_000,
    }),
  models: () =>
    queryOptions({
      queryKey: ["models"],
      queryFn: ({ signal }) => call<Schemas["Models"]>("/models", { signal }),
      staleTime: 300_000,
    }),
  runs: () =>
    queryOptions({
      queryKey: ["runs"],
      queryFn: ({ signal }) =>
        call<Schemas["RunList"]>("/runs", { query: { limit: 30 }, signal }),
    }),
  run: (id: string) =>
    queryOptions({
      queryKey: ["run", id],
      queryFn: ({ signal }) => call<Schemas["RunDocument"]>(`/runs/${encodeURIComponent(id)}`, { signal }),
    }),
  similar: (id: string) =>
    queryOptions({
      queryKey: ["similar", id],
      queryFn: ({ signal }) =>
        call<Schemas["Answer"]>(`/images/${encodeURIComponent(id)}/similar`, {
          query: { limit: 18 },
          signal,
        }),
      staleTime: 60_000,
    }),
};
