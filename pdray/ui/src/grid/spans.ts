/** A month or a year as people say it: "2024-05" is May 2024. */
export function spanName(span: string | null, language: string, undated: string): string {
  if (span === null || span === "none") return undated;
  const [year = 0, month] = span.split("-").map(Number);
  const asked = month === undefined ? {} : { month: "long" as const };
  const date = new Date(Date.UTC(2000, (month ?? 1) - 1, 1));
  date.setUTCFullYear(year); // Date.UTC takes the year 24 for 1924
  return new Intl.DateTimeFormat(language, { year: "numeric", ...asked, timeZone: "UTC" }).format(date);
}
