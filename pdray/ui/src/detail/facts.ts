import type { Picture } from "../grid/feed";

/** Numbers and dates of an image as people write them. Pure. */

// A number and its unit stay on one line.
const NO_BREAK = "\u00a0";

export function exposure(seconds: number, language: string): string {
  const long = seconds >= 0.3;
  return `${long ? decimal(seconds, language) : `1/${Math.round(1 / seconds)}`}${NO_BREAK}s`;
}

export function settings(picture: Picture, language: string): string[] {
  const { f_number, exposure_seconds, iso, focal_length_mm } = picture;
  return [
    f_number ? `ƒ/${decimal(f_number, language)}` : "",
    exposure_seconds ? exposure(exposure_seconds, language) : "",
    iso ? `ISO${NO_BREAK}${iso}` : "",
    focal_length_mm ? `${decimal(focal_length_mm, language)}${NO_BREAK}mm` : "",
  ].filter(Boolean);
}

function decimal(value: number, language: string): string {
  return value.toLocaleString(language, { maximumFractionDigits: 1 });
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

/** `compass` names north, south, east and west, in this order. */
export function place(latitude: number, longitude: number, compass: string): string {
  const [north, south, east, west] = compass.split(" ");
  const upright = `${Math.abs(latitude).toFixed(4)}° ${latitude >= 0 ? north : south}`;
  return `${upright}, ${Math.abs(longitude).toFixed(4)}° ${longitude >= 0 ? east : west}`;
}

/** Empty for pictures so small that nobody counts their pixels so. */
export function megapixels(width: number, height: number, language: string): string {
  const millions = (width * height) / 1e6;
  return millions < 0.1 ? "" : `${decimal(millions, language)}${NO_BREAK}MP`;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
