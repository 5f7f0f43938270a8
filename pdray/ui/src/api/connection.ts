import { useSyncExternalStore } from "react";

/** Whether the server answers. While it doesn't, it is asked again until it does. */

const AGAIN_MS = [1_000, 2_000, 3_000, 5_000];
const listeners = new Set<() => void>();
const returns = new Set<() => void>();
let reachable = true;
let timer: ReturnType<typeof setTimeout> | undefined;

export function useReachable(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => reachable,
  );
}

/** `again` is called each time the server answers after it didn't. */
export function onReturn(again: () => void): () => void {
  returns.add(again);
  return () => returns.delete(again);
}

export function lost() {
  if (!reachable) return;
  set(false);
  knock(0);
}

export function tryNow() {
  if (!reachable) knock(0, true);
}

function set(value: boolean) {
  reachable = value;
  for (const listener of listeners) listener();
}

function knock(times: number, now = false) {
  clearTimeout(timer);
  const wait = now ? 0 : AGAIN_MS[Math.min(times, AGAIN_MS.length - 1)]!;
  timer = setTimeout(() => {
    fetch("/healthz", { cache: "no-store" }).then(
      (answer) => {
        if (!answer.ok) return knock(times + 1);
        set(true);
        for (const again of returns) again();
      },
      () => knock(times + 1),
    );
  }, wait);
}

window.addEventListener("online", tryNow);
