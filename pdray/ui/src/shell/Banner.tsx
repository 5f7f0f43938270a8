import { Loader } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { tryNow, useReachable } from "../api/connection";
import styles from "./shell.module.css";

/** Says that the server is away, while it is asked again. */
export function Banner() {
  const { t } = useTranslation();
  const reachable = useReachable();
  return (
    <div role="status">
      {!reachable && (
        <div className={styles.banner}>
          <Loader size={16} color="currentColor" aria-hidden />
          {t("state.reconnecting")}
          <button type="button" onClick={tryNow}>
            {t("state.now")}
          </button>
        </div>
      )}
    </div>
  );
}
