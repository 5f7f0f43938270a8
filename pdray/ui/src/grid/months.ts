/** A month as people say it: "2024-05" is May 2024. */
export function monthName(month: string | null, language: string, undated: string): string {
  if (month === null || month === "none") return undated;
  const [year = 0, number = 1] = month.split("-").map(Number);
  return new Intl.DateTimeFormat(language, { year: "numeric", month: "long", timeZone: "UTC" }).format(
    Date.UTC(year, number - 1, 1),
  );
}
