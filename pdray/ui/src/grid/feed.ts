import type { Schemas } from "../api/client";
import { meanAspect } from "./justify";

/** One list of images, in sections that are loaded as they come into view. */

export type Picture = Schemas["Image"] & { rank?: number; score?: number };

export interface Portion {
  images: Picture[];
  next: string | null;
  notes?: string[];
}

export interface Section {
  key: string;
  /** A month as YYYY-MM, a year, "none" for images without a date, null where there is one section
   * alone. */
  span: string | null;
  /** How many images it holds; null while that isn't known. */
  count: number | null;
  images: readonly Picture[];
  done: boolean;
  error: Error | null;
}

export interface Plan {
  sections: { key: string; span: string | null; count: number | null }[];
  /** How many images there are in all; null where that can't be known. */
  total: number | null;
}

export interface Reading {
  plan: (signal: AbortSignal) => Promise<Plan>;
  portion: (key: string, cursor: string | null, signal: AbortSignal) => Promise<Portion>;
}

export interface Snapshot {
  sections: readonly Section[];
  total: number | null;
  notes: readonly string[];
  state: "loading" | "failed" | "ready";
  error: Error | null;
  /** The mean shape of the first images, for guesses about the rest. It stays, so that guesses
   * don't move under the reader. */
  mean: number;
}

export interface Place {
  section: number;
  index: number;
}

const MOST_HELD = 20_000; // images; a year of them is no page's work to keep

export class Feed {
  private snapshot: Snapshot = {
    sections: [],
    total: null,
    notes: [],
    state: "loading",
    error: null,
    mean: 1.3,
  };
  private readonly listeners = new Set<() => void>();
  private readonly cursors = new Map<string, string | null>();
  private readonly running = new Map<string, Promise<void>>();
  private readonly ending = new AbortController();
  /** How many times all was read anew. */
  private reads = 0;
  /** Where the reader was, so that coming back goes there. */
  scroll = 0;

  constructor(private readonly reading: Reading) {
    void this.start();
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  read = () => this.snapshot;

  close() {
    this.ending.abort();
  }

  /** Begins again after an error. */
  again = () => {
    if (this.snapshot.state === "failed") {
      this.change({ state: "loading", error: null });
      void this.start();
      return;
    }
    for (const section of this.snapshot.sections) {
      if (section.error) this.replace(section.key, { error: null });
    }
  };

  /** Reads all of it anew; what is shown stays until the new is there. */
  refresh = async () => {
    const { signal } = this.ending;
    try {
      const plan = await this.reading.plan(signal);
      const [first] = plan.sections;
      const got = first && (await this.reading.portion(first.key, null, signal));
      this.reads += 1;
      this.running.clear();
      this.cursors.clear();
      const sections = emptied(plan);
      if (got && sections[0]) {
        this.cursors.set(sections[0].key, got.next);
        sections[0] = { ...sections[0], images: got.images, done: got.next === null };
      }
      const [head] = sections;
      const mean = meanAspect(head?.images ?? []);
      const notes = got?.notes ?? [];
      this.change({ sections, total: plan.total, notes, state: "ready", error: null, mean });
    } catch {
      // what is there is better than nothing; the next change tries again
    }
  };

  private async start() {
    try {
      const plan = await this.reading.plan(this.ending.signal);
      const sections = emptied(plan);
      this.change({ sections, total: plan.total });
      // Nothing is shown before the first images are there: no flash of an empty frame.
      if (sections[0]) await this.more(sections[0].key);
      const first = this.snapshot.sections[0];
      if (first?.error) this.change({ state: "failed", error: first.error });
      else this.change({ state: "ready", mean: meanAspect(first?.images ?? []) });
    } catch (error) {
      if (!this.ending.signal.aborted) this.change({ state: "failed", error: error as Error });
    }
  }

  /** Loads what comes next in a section, once at a time. */
  more(key: string): Promise<void> {
    const running = this.running.get(key);
    if (running) return running;
    const section = this.snapshot.sections.find((one) => one.key === key);
    if (!section || section.done || section.error) return Promise.resolve();
    const loading = this.load(section).finally(() => {
      if (this.running.get(key) === loading) this.running.delete(key);
    });
    this.running.set(key, loading);
    return loading;
  }

  private async load({ key }: Section) {
    const { reads } = this;
    try {
      const cursor = this.cursors.get(key) ?? null;
      const got = await this.reading.portion(key, cursor, this.ending.signal);
      if (reads !== this.reads) return; // all was read anew meanwhile
      this.cursors.set(key, got.next);
      const before = this.snapshot.sections.find((one) => one.key === key)?.images ?? [];
      const images = before.concat(got.images);
      const done = got.next === null;
      const changes = { images, done, error: null, ...(done ? { count: images.length } : {}) };
      this.replace(key, changes, got.notes);
    } catch (error) {
      if (!this.ending.signal.aborted) this.replace(key, { error: error as Error });
    }
  }

  /** Lets go of sections far from the ones in view, once there are many. */
  forget(near: number) {
    const { sections } = this.snapshot;
    let held = sections.reduce((sum, one) => sum + one.images.length, 0);
    if (held <= MOST_HELD) return;
    const far = sections
      .map((section, at) => ({ section, away: Math.abs(at - near) }))
      .filter(({ section, away }) => away > 2 && section.images.length > 0)
      .sort((one, other) => other.away - one.away);
    const gone = new Set<string>();
    for (const { section } of far) {
      if (held <= MOST_HELD) break;
      held -= section.images.length;
      gone.add(section.key);
      this.cursors.delete(section.key);
    }
    if (gone.size === 0) return;
    this.change({
      sections: sections.map((one) =>
        gone.has(one.key) ? { ...one, images: [], done: false } : one,
      ),
    });
  }

  find(id: string): Place | null {
    for (const [section, { images }] of this.snapshot.sections.entries()) {
      const index = images.findIndex((one) => one.id === id);
      if (index >= 0) return { section, index };
    }
    return null;
  }

  at(place: Place): Picture | null {
    return this.snapshot.sections[place.section]?.images[place.index] ?? null;
  }

  /** Those that are loaded from one image to another, whichever comes first, with both. */
  between(one: string, other: string): Picture[] {
    const images = this.snapshot.sections.flatMap((section) => section.images);
    const at = [one, other].map((id) => images.findIndex((image) => image.id === id));
    const [first, last] = [Math.min(...at), Math.max(...at)];
    return first < 0 ? images.slice(last, last + 1) : images.slice(first, last + 1);
  }

  /** The image before or after one, loading what it takes. Null at either end. */
  async step(from: Place, by: 1 | -1): Promise<Picture | null> {
    let { section, index } = from;
    index += by;
    while (section >= 0 && section < this.snapshot.sections.length) {
      let current = this.snapshot.sections[section]!;
      if (index < 0) {
        section -= 1;
        if (section < 0) return null;
        // The last image of a section needs all of it.
        while (!this.snapshot.sections[section]!.done) {
          if (this.snapshot.sections[section]!.error) return null;
          await this.more(this.snapshot.sections[section]!.key);
        }
        index = this.snapshot.sections[section]!.images.length - 1;
        if (index < 0) continue;
      }
      current = this.snapshot.sections[section]!;
      while (index >= current.images.length && !current.done) {
        if (current.error) return null;
        await this.more(current.key);
        current = this.snapshot.sections[section]!;
      }
      if (index < current.images.length) return current.images[index]!;
      section += 1;
      index = 0;
    }
    return null;
  }

  private replace(key: string, changes: Partial<Section>, notes?: string[]) {
    const sections = this.snapshot.sections.map((one) =>
      one.key === key ? { ...one, ...changes } : one,
    );
    this.change(notes && notes.length > 0 ? { sections, notes } : { sections });
  }

  private change(changes: Partial<Snapshot>) {
    this.snapshot = { ...this.snapshot, ...changes };
    for (const listener of this.listeners) listener();
  }
}

function emptied(plan: Plan): Section[] {
  return plan.sections.map((one) => ({ ...one, images: [], done: one.count === 0, error: null }));
}
