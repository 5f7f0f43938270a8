import { call, type Schemas } from "../api/client";
import type { Picture, Plan, Reading } from "./feed";

/** What feeds read: hits of a search, or images by date in sections. */

export interface Question {
  q: string;
  collection: string | null;
  sort: string | null;
}

const FIRST = 100;
const THEN = 400;
const FEW = 16; // images: sections that hold fewer on average are put together

/** What is asked, with what more a page of it needs. */
type BodyOf = (more: Record<string, string | number>) => Promise<unknown>;

interface Answer {
  hits: Picture[];
  next_cursor?: string | null;
  notes?: string[];
}

/** Hits of words and of an image: one section, best first. */
export function searching(bodyOf: BodyOf): Reading {
  return {
    plan: () => Promise.resolve(alone(null)),
    portion: async (_key, cursor, signal) => {
      const body = await bodyOf(cursor ? { cursor, limit: THEN } : { limit: FIRST });
      const answer = await call<Answer>("/search", { method: "POST", body, signal });
      return { images: answer.hits, next: answer.next_cursor ?? null, notes: answer.notes ?? [] };
    },
  };
}

/** What fulfils conditions, in an order of its own; by date in sections that say when. */
export function browsing({ q, collection, sort }: Question): Reading {
  const dated = sort === null || sort === "oldest";
  return {
    plan: async (signal) => {
      const timeline = await call<Schemas["Timeline"]>("/timeline", {
        query: { q: q || null, collection },
        signal,
      });
      return dated ? inSections(timeline, sort === "oldest") : alone(totalOf(timeline));
    },
    portion: async (key, cursor, signal) => {
      const page = await call<Schemas["Page"]>("/images", {
        query: {
          q: [q, key].filter(Boolean).join(" ") || null,
          collection,
          sort,
          cursor,
          limit: cursor || key ? THEN : FIRST,
        },
        signal,
      });
      return { images: page.images, next: page.next_cursor ?? null, notes: page.notes };
    },
  };
}

function alone(count: number | null): Plan {
  return { sections: [{ key: "", span: null, count }], total: count };
}

function totalOf({ months, undated }: Schemas["Timeline"]): number {
  return months.reduce((sum, one) => sum + one.count, undated);
}

/** A section a month, or a year where months hold few, or one alone where years do. The key of a
 * section is the condition that holds for its images. */
export function inSections(timeline: Schemas["Timeline"], oldestFirst: boolean): Plan {
  const { months, undated } = timeline;
  const total = totalOf(timeline);
  const dated = total - undated;
  const years = new Map<string, number>();
  for (const { month, count } of months) {
    const year = month.slice(0, 4);
    years.set(year, (years.get(year) ?? 0) + count);
  }
  const byMonth = dated >= FEW * months.length;
  const spans = byMonth ? months.map((one) => [one.month, one.count] as const) : [...years];
  const parts = spans.length + Number(undated > 0);
  if (parts < 2 || dated < FEW * spans.length) return alone(total);
  const sections = spans.map(([span, count]) => ({ key: `taken:${span}`, span, count }));
  if (oldestFirst) sections.reverse();
  if (undated > 0) sections.push({ key: "-has:date", span: "none", count: undated });
  return { sections, total };
}
