import type { Picture } from "../grid/feed";

/** Numbers and dates of an image as people write them. Pure. */

export function exposure(seconds: number): string {
  if (seconds >= 0.3) return `${round(seconds, 1)} s`;
  return `1/${Math.round(1 / seconds)} s`;
}

export function settings(picture: Picture): string[] {
  const { f_number, exposure_seconds, iso, focal_length_mm } = picture;
  return [
    f_number ? `ƒ/${round(f_number, 1)}` : "",
    exposure_seconds ? exposure(exposure_seconds) : "",
    iso ? `ISO ${iso}` : "",
    focal_length_mm ? `${round(focal_length_mm, 1)} mm` : "",
  ].filter(Boolean);
}

export function bytes(size: number, language: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[step]!,
    unitDisplay: "short",
    maximumFractionDigits: step < 2 ? 0 : 1,
  }).format(size / 1000 ** step);
}

/** The wall clock of the place, as the camera wrote it; the zone of who looks doesn't matter. */
export function taken(iso: string, language: string): string {
  const found = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}))?/.exec(iso);
  if (!found) return iso;
  const [year, month, day, hour, minute] = found.slice(1).map((part) => Number(part ?? 0));
  return new Intl.DateTimeFormat(language, {
    dateStyle: "long",
    ...(found[4] ? { timeStyle: "short" as const } : {}),
    timeZone: "UTC",
  }).format(Date.UTC(year!, month! - 1, day, hour, minute));
}

export function place(latitude: number, longitude: number): string {
  const north = latitude >= 0 ? "N" : "S";
  const east = longitude >= 0 ? "E" : "W";
  return `${Math.abs(latitude).toFixed(4)}° ${north}, ${Math.abs(longitude).toFixed(4)}° ${east}`;
}

export function megapixels(width: number, height: number): string {
  return `${round((width * height) / 1e6, 1)} MP`;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
