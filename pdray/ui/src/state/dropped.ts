/** Images that were dropped or pasted. The address names one; its bytes stay in this browser. */

const DATABASE = "pdray";
const STORE = "dropped";
const KEPT = 30;
const SIDE = 768; // pixels: more than any model looks at

export interface Dropped {
  id: string;
  name: string;
  blob: Blob;
  at: number;
}

/** The address names an image that was dropped on another machine, or long ago. */
export class GoneImage extends Error {
  constructor(readonly id: string) {
    super();
  }
}

const here = new Map<string, Dropped>(); // where storage is turned off, until the page closes

/** Keeps an image and names it. What this browser can show is made smaller before it is sent. */
export async function keepDropped(file: Blob, name: string): Promise<string> {
  const blob = await smaller(file);
  const id = await digest(blob);
  const dropped: Dropped = { id, name, blob, at: Date.now() };
  here.set(id, dropped);
  await store((images) => images.put(dropped)).catch(() => undefined);
  void tidy();
  return id;
}

/** The image of a name, or null on another machine. */
export async function findDropped(id: string): Promise<Dropped | null> {
  const found = here.get(id);
  if (found) return found;
  const kept = await store<Dropped | undefined>((images) => images.get(id)).catch(() => undefined);
  if (kept) here.set(id, kept);
  return kept ?? null;
}

async function smaller(file: Blob): Promise<Blob> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file; // a format that the server may know and the browser doesn't
  }
  const scale = SIDE / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1 && file.size < 2_000_000) return file;
  const shrink = Math.min(1, scale);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * shrink));
  canvas.height = Math.max(1, Math.round(bitmap.height * shrink));
  canvas.getContext("2d")!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => {
    canvas.toBlob((made) => resolve(made ?? file), "image/jpeg", 0.92);
  });
}

async function digest(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  // crypto.subtle is missing on plain http from another machine: a name needs no secrecy.
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x5bd1e995) ^ (b >>> 13);
  }
  return [a, b].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}

async function tidy() {
  const all = await store<Dropped[]>((images) => images.getAll()).catch(() => []);
  const old = all.sort((one, other) => other.at - one.at).slice(KEPT);
  for (const { id } of old) await store((images) => images.delete(id)).catch(() => undefined);
}

function store<T>(ask: (images: IDBObjectStore) => IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
    opening.onerror = () => reject(opening.error ?? new Error("no storage"));
    opening.onsuccess = () => {
      const database = opening.result;
      const asked = ask(database.transaction(STORE, "readwrite").objectStore(STORE));
      asked.onsuccess = () => {
        database.close();
        resolve(asked.result as T);
      };
      asked.onerror = () => {
        database.close();
        reject(asked.error ?? new Error("no storage"));
      };
    };
  });
}
