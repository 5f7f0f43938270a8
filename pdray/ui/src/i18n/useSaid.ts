import { useCallback } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem, Unreachable } from "../api/client";

/** These sentences of the server's name nothing that a translation lacks. */
const PLAIN = new Set(["read-only", "too-deep", "original-changed", "replica-lost"]);

/** Says an error in the reader's language. The server's own sentences are English and name what is
 * at fault: in another language they stand behind one that says what kind of thing went wrong. */
export function useSaid(): (error: Error) => string {
  const { t, i18n } = useTranslation();
  return useCallback(
    (error) => {
      if (error instanceof Unreachable) return `${t("state.offline")}.`;
      if (!(error instanceof ApiProblem) || i18n.language === "en") return error.message;
      const translated = t(`problem.${error.code}` as "problem.read-only", "");
      if (!translated) return error.message;
      return PLAIN.has(error.code) ? translated : `${translated} (${error.message})`;
    },
    [t, i18n.language],
  );
}
