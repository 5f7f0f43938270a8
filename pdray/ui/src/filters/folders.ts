/** Folders by the addresses that the catalog knows them under. Pure. */

export interface Folder {
  value: string;
  name: string;
  count: number;
  children: Folder[];
}

/** The last name of a folder's address: `file:///home/me/Photos` is Photos. */
export function folderName(value: string): string {
  const path = decode(value.replace(/\/+$/, ""));
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

/** A folder's address as a person writes it: a path for files, the URL for others. */
export function folderPath(value: string): string {
  return decode(value.replace(/^file:\/\//, ""));
}

/** A folder as the query language takes it: the whole address, not encoded. */
export function folderQuery(value: string): string {
  return decode(value);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a name that isn't UTF-8
  }
}

/** The folders as trees. What only leads to one folder and holds no more is left out at the top. */
export function folderTree(values: readonly { value: string; count: number }[]): Folder[] {
  const known = new Map<string, Folder>();
  for (const { value, count } of values) {
    known.set(value, { value, name: folderName(value), count, children: [] });
  }
  const roots: Folder[] = [];
  for (const folder of [...known.values()].sort((a, b) => a.value.localeCompare(b.value))) {
    const parent = known.get(folder.value.slice(0, folder.value.lastIndexOf("/")));
    (parent?.children ?? roots).push(folder);
  }
  return roots.map(shortened);
}

function shortened(folder: Folder): Folder {
  const [only] = folder.children;
  const leads = folder.children.length === 1 && only?.count === folder.count;
  return leads ? shortened(only) : folder;
}
