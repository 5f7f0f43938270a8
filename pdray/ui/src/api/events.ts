import { useEffect, useSyncExternalStore } from "react";

import type { Schemas } from "./client";
import { lost, onReturn } from "./connection";
import { currentKey } from "./key";

/** What happens on the server, as it happens. One WebSocket for the whole page, while anything here
 * listens; after a break it goes on from the last event that was seen. */

interface Told {
  id: string;
  at: string;
}

export type Happening = Told &
  (
    | { type: "hello" }
    | { type: "gap" }
    | { type: "run"; run: Schemas["RunDocument"] }
    | { type: "collection"; collection: { name: string; images: number | null } }
    | { type: "collection-gone"; collection: { name: string } }
    | { type: "edited"; collection: { name: string }; images: string[] }
  );

type Listener = (event: Happening) => void;

const AGAIN_MS = [500, 1_000, 2_000, 5_000, 10_000];
const NO_KEY = 4401;
// A page that nobody looks at lets go: each connection is a request that a replica still answers, and
// many of them would keep replicas up.
const HIDDEN_MS = 30_000;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let socket: WebSocket | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let hiding: ReturnType<typeof setTimeout> | undefined;
let last: string | null = null;
let tries = 0;
let open = false;

/** Calls `listener` with each event while the component is there. */
export function useHappenings(listener: Listener) {
  useEffect(() => {
    listeners.add(listener);
    if (!socket) connect();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) hangUp();
    };
  }, [listener]);
}

/** Whether events arrive: where they don't, ask from time to time instead. */
export function useListening(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => open,
  );
}

function set(value: boolean) {
  if (open === value) return;
  open = value;
  for (const watcher of watchers) watcher();
}

function connect() {
  clearTimeout(timer);
  const after = last === null ? "" : `?last_event_id=${encodeURIComponent(last)}`;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const mine = new WebSocket(`${scheme}://${location.host}/api/v1/events${after}`);
  socket = mine;
  mine.onopen = () => {
    const key = currentKey();
    if (key !== null) mine.send(JSON.stringify({ key }));
  };
  mine.onmessage = (message: MessageEvent<string>) => {
    const event = JSON.parse(message.data) as Happening;
    last = event.id;
    tries = 0;
    set(true);
    for (const listener of listeners) listener(event);
  };
  mine.onclose = ({ code, wasClean }) => {
    if (socket !== mine) return;
    socket = null;
    set(false);
    if (code === NO_KEY || listeners.size === 0) return; // the next request asks for the key
    if (!wasClean && tries > 0) lost();
    timer = setTimeout(connect, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)]);
  };
}

function hangUp() {
  clearTimeout(timer);
  const mine = socket;
  socket = null;
  set(false);
  mine?.close();
}

function resume() {
  if (!socket && !document.hidden && listeners.size > 0) connect();
}

onReturn(resume);
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(hangUp, HIDDEN_MS);
  else resume();
});
