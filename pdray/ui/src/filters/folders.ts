/** Folders by the addresses that the catalog knows them under. Pure. */

/** The last name of a folder's address: `file:///home/me/My%20Photos` is My Photos. */
export function folderName(value: string): string {
  const path = decode(value.replace(/\/+$/, ""));
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

/** A folder's address as a person writes it: a path for files, the URL for others. */
export function folderPath(value: string): string {
  return decode(value.replace(/^file:\/\//, ""));
}

/** Whether a condition means a folder: by its address, or written as people do. */
export function meansFolder(typed: string, folder: string): boolean {
  return typed === folder || decode(typed) === decode(folder);
}

/** Whether a condition means something below a folder. */
export function leadsTo(typed: string, folder: string): boolean {
  return decode(typed).startsWith(`${decode(folder)}/`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a name that isn't UTF-8
  }
}
