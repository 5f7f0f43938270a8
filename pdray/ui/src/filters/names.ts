/** Whether a condition means a value, as the query language does (pdray/search/language.py):
 * each of its words begins one of the value's. Pure. */
export function means(typed: string, value: string): boolean {
  const have = words(value);
  const wanted = words(typed);
  return wanted.length > 0 && wanted.every((one) => have.some((word) => word.startsWith(one)));
}

function words(text: string): string[] {
  const plain = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.match(/[\p{L}\p{N}_]+/gu) ?? [];
}
