import { ApiProblem, call, type Schemas } from "../api/client";

/** Files on their way to a collection, some at a time. */

export interface Sent {
  done: number;
  stored: number;
  known: number;
  refused: { name: string; reason: string }[];
  /** The run that indexes them; null while it waits for another to end. */
  run: string | null;
}

export const NOTHING: Sent = { done: 0, stored: 0, known: 0, refused: [], run: null };

const FILES = 24;
const BYTES = 16_000_000; // of a request; a server takes 32 MB unless it is told otherwise

/** Cuts files into what one request carries; a file that is larger goes alone. */
export function batches(files: readonly File[]): File[][] {
  const found: File[][] = [];
  let size = 0;
  for (const file of files) {
    const last = found.at(-1);
    if (last && last.length < FILES && size + file.size <= BYTES) {
      last.push(file);
      size += file.size;
    } else {
      found.push([file]);
      size = file.size;
    }
  }
  return found;
}

/** Sends one batch; what the server won't have is told of each file. Throws where no other would go
 * better: no key, no collection, no server. */
export async function send(
  collection: string,
  files: readonly File[],
  before: Sent,
  signal: AbortSignal,
): Promise<Sent> {
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  let images: Schemas["UploadedImage"][];
  let run = before.run;
  try {
    const path = `/collections/${encodeURIComponent(collection)}/images`;
    const answer = await call<Schemas["Uploaded"]>(path, { method: "POST", body: form, signal });
    images = answer.images;
    run = answer.run ?? run;
  } catch (error) {
    if (!(error instanceof ApiProblem) || !["no-image", "too-large"].includes(error.code)) throw error;
    const reason = error.message;
    images = files.map(({ name }) => ({ name, state: "refused" as const, reason }));
  }
  const count = (state: string) => images.filter((one) => one.state === state).length;
  return {
    done: before.done + files.length,
    stored: before.stored + count("stored"),
    known: before.known + count("known"),
    refused: [
      ...before.refused,
      ...images
        .filter((one) => one.state === "refused")
        .map(({ name, reason }) => ({ name, reason: reason ?? "" })),
    ],
    run,
  };
}
