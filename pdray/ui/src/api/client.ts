import { lost } from "./connection";
import { askForKey, currentKey } from "./key";
import type { components } from "./schema";

export type Schemas = components["schemas"];

const PREFIX = "/api/v1";

/** An answer that is an error: the server's own sentence, and a code that stays the same. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly field: string | null = null,
    readonly retrySeconds: number | null = null,
  ) {
    super(detail);
    this.name = "ApiProblem";
  }
}

/** No answer at all: the server is down or the network is away. */
export class Unreachable extends Error {
  constructor() {
    super("The server can't be reached.");
    this.name = "Unreachable";
  }
}

type Values = Record<string, string | number | boolean | readonly string[] | null | undefined>;

interface Asking {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Values | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

/** The address of a path of the API; values that are null or undefined stay out. */
export function address(path: string, query: Values = {}): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const one of Array.isArray(value) ? (value as string[]) : [value]) {
      parts.append(name, String(one));
    }
  }
  const text = parts.toString();
  return `${path.startsWith("/api/") ? path : PREFIX + path}${text && `?${text}`}`;
}

/** The response, if it is a good one. Throws ApiProblem, Unreachable, or AbortError. */
export async function request(path: string, asking: Asking = {}): Promise<Response> {
  const headers: Record<string, string> = { ...authorization(), ...asking.headers };
  const init: RequestInit = { method: asking.method ?? "GET", headers };
  if (asking.signal) init.signal = asking.signal;
  if (asking.body instanceof FormData) init.body = asking.body;
  else if (asking.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(asking.body);
  }
  let answer: Response;
  try {
    answer = await fetch(address(path, asking.query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    lost();
    throw new Unreachable();
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

/** The JSON of an answer. */
export async function call<T>(path: string, asking: Asking = {}): Promise<T> {
  return (await (await request(path, asking)).json()) as T;
}

export function authorization(): Record<string, string> {
  const key = currentKey();
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

export async function problem(answer: Response): Promise<ApiProblem> {
  const after = Number(answer.headers.get("Retry-After"));
  const retry = Number.isFinite(after) && after > 0 ? after : null;
  let said: { code?: string; detail?: string; field?: string | null } = {};
  try {
    said = (await answer.json()) as typeof said;
  } catch {
    // a proxy between may answer with a page of its own
  }
  if (answer.status === 401) askForKey();
  return new ApiProblem(
    answer.status,
    said.code ?? `http-${answer.status}`,
    said.detail ?? answer.statusText,
    said.field ?? null,
    retry,
  );
}
