import { useCallback, useState } from "react";

import type { Picture } from "../grid/feed";
import { type Example, joined, MOST } from "../query/mix";
import { isImage } from "../search/formats";
import { keepDropped } from "../state/dropped";
import { ALL, type useView, type View } from "../state/url";

type Go = ReturnType<typeof useView>["go"];

/** What is looked for, as it changes: by words and conditions, and by images that begin a search or
 * join one. */
export function useAsking(view: View, go: Go) {
  const [left, setLeft] = useState(0);
  const search = useCallback(
    (changes: Partial<View>) => {
      setLeft(0);
      window.scrollTo({ top: 0 });
      go({ image: null, ...changes });
    },
    [go],
  );
  const look = useCallback(
    (more: readonly Example[], beside: readonly Example[] | null, cut = 0) => {
      const { examples, left } = joined(beside ?? [], more);
      search(beside ? { examples } : { ...ALL, collection: view.collection, examples });
      setLeft(left + cut);
    },
    [search, view.collection],
  );
  const take = useCallback(
    async (files: readonly File[], beside: readonly Example[] | null) => {
      const images = files.filter(isImage);
      const some = images.length > 0 ? images : files.slice(0, 1); // the server says what is wrong
      const kept = await Promise.all(some.slice(0, MOST).map((one) => keepDropped(one, one.name)));
      const more = kept.map((of): Example => ({ kind: "drop", of, weight: 1 }));
      look(more, beside, Math.max(0, some.length - MOST));
    },
    [look],
  );
  const { examples } = view;
  return {
    search,
    /** How many images found no place in the search. */
    left,
    files: useCallback((files: File[]) => void take(files, null), [take]),
    moreFiles: useCallback((files: File[]) => void take(files, examples), [take, examples]),
    like: useCallback((picture: Picture) => look([known(picture)], null), [look]),
    add: useCallback((picture: Picture) => look([known(picture)], examples), [look, examples]),
  };
}

function known({ id }: Picture): Example {
  return { kind: "like", of: id, weight: 1 };
}
