import { useSyncExternalStore } from "react";

/** The key that the server asks for where it can be reached from other machines. */

const NAME = "pdray.key";
const listeners = new Set<() => void>();
let key: string | null = read();
let asked = false;

function read(): string | null {
  try {
    return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME);
  } catch {
    return null; // storage may be turned off
  }
}

function tell() {
  for (const listener of listeners) listener();
}

export function currentKey(): string | null {
  return key;
}

export function useKey(): string | null {
  return useSyncExternalStore(subscribe, currentKey);
}

/** Whether the server refused the last request for want of a key. */
export function useKeyAsked(): boolean {
  return useSyncExternalStore(subscribe, () => asked);
}

export function askForKey() {
  if (asked) return;
  asked = true;
  tell();
}

export function giveKey(given: string, remember: boolean) {
  key = given;
  asked = false;
  try {
    (remember ? localStorage : sessionStorage).setItem(NAME, given);
  } catch {
    // then it lasts until the page is closed
  }
  tell();
}

export function forgetKey() {
  key = null;
  try {
    localStorage.removeItem(NAME);
    sessionStorage.removeItem(NAME);
  } catch {
    // nothing was kept
  }
  tell();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
