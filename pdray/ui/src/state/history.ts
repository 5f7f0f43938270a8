/** What was looked for, newest first, kept in this browser alone. */

const NAME = "pdray.history";
const MOST = 50;

export function pastQueries(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(NAME) ?? "[]");
    return Array.isArray(found) ? found.filter((one): one is string => typeof one === "string") : [];
  } catch {
    return [];
  }
}

export function rememberQuery(query: string) {
  const said = query.trim();
  if (!said) return;
  save([said, ...pastQueries().filter((one) => one !== said)].slice(0, MOST));
}

export function forgetQueries() {
  save([]);
}

function save(queries: string[]) {
  try {
    localStorage.setItem(NAME, JSON.stringify(queries));
  } catch {
    // without storage there is no history
  }
}
