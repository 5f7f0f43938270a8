import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";

import { call, type Schemas } from "../api/client";
import { type Happening, useHappenings, useListening } from "../api/events";
import { queries } from "../api/queries";
import type { Run } from "./figures";

const LOOK_MS = 4_000; // where events don't arrive

/** Runs, newest first, as they go on. */
export function useRuns() {
  const listening = useListening();
  return useQuery({ ...queries.runs(), refetchInterval: listening ? false : LOOK_MS });
}

export function useRun(id: string) {
  const listening = useListening();
  return useQuery({
    ...queries.run(id),
    refetchInterval: (query) =>
      listening || query.state.data?.live === false ? false : LOOK_MS,
  });
}

/** Keeps what is known of runs up to date with what the server tells. */
export function useRunEvents() {
  const client = useQueryClient();
  useHappenings(
    useCallback(
      (event: Happening) => {
        if (event.type === "gap") {
          void client.invalidateQueries({ queryKey: ["runs"] });
          void client.invalidateQueries({ queryKey: ["run"] });
        }
        if (event.type === "run") noteRun(client, event.run);
      },
      [client],
    ),
  );
}

function noteRun(client: ReturnType<typeof useQueryClient>, run: Run) {
  const before = client.getQueryData<Run>(["run", run.id]);
  client.setQueryData(["run", run.id], run);
  client.setQueryData<Schemas["RunList"]>(["runs"], (known) => {
    if (!known) return known;
    const there = known.runs.some((one) => one.id === run.id);
    const runs = there
      ? known.runs.map((one) => (one.id === run.id ? run : one))
      : [run, ...known.runs].sort((one, other) => other.id.localeCompare(one.id));
    return { ...known, runs };
  });
  if (before?.failed !== run.failed || before.live !== run.live) {
    void client.invalidateQueries({ queryKey: ["failures", run.id] });
  }
}

/** Pause, resume, cancel, retry. */
export function useCommand() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, command }: { id: string; command: "pause" | "resume" | "cancel" | "retry" }) =>
      call<Run>(`/runs/${encodeURIComponent(id)}/${command}`, { method: "POST" }),
    onSuccess: (run) => noteRun(client, run),
  });
}

export function useStart() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Partial<Schemas["RunRequest"]>) =>
      call<Run>("/runs", { method: "POST", body }),
    onSuccess: (run) => noteRun(client, run),
  });
}
