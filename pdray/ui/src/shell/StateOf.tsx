import { Button } from "@mantine/core";
import { IconAlertCircle, IconCloudOff, IconHourglass, IconKey, IconPhotoOff } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem, Unreachable } from "../api/client";
import { useSaid } from "../i18n/useSaid";
import { GoneImage } from "../state/dropped";
import styles from "./shell.module.css";

interface Props {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  acts?: ReactNode;
  /** Whether it is said to who can't see it. */
  live?: "status" | "alert";
  /** Where it is all that its page says. */
  heading?: "h1" | "h2";
}

/** A state of the page in place of what would be there: a picture, a sentence, what to do. */
export function State({ icon, title, children, acts, live, heading: Heading = "h2" }: Props) {
  return (
    <div className={styles.state} role={live}>
      {icon}
      <Heading>{title}</Heading>
      {typeof children === "string" ? <p>{children}</p> : children}
      {acts && <div className={styles.acts}>{acts}</div>}
    </div>
  );
}

/** Why there is nothing to show, and what can be done. */
interface Wrong {
  error: Error;
  onAgain: () => void;
  /** Where another question may do: back to one that can be answered. */
  onReset?: () => void;
  /** Goes on without an image that isn't here. */
  onWithout?: ((id: string) => void) | undefined;
}

export function StateOf({ error, onAgain, onReset, onWithout }: Wrong) {
  const { t } = useTranslation();
  const said = useSaid();
  const look = { size: 44, stroke: 1.3, "aria-hidden": true } as const;
  const again = (
    <Button variant="default" onClick={onAgain}>
      {t("state.again")}
    </Button>
  );
  const reset = onReset && (
    <Button variant="default" onClick={onReset}>
      {t("state.all")}
    </Button>
  );
  if (error instanceof Unreachable) {
    return (
      <State icon={<IconCloudOff {...look} />} title={t("state.offline")} live="alert">
        {t("state.offlineMore")}
      </State>
    );
  }
  if (error instanceof GoneImage) {
    return (
      <State
        icon={<IconPhotoOff {...look} />}
        title={t("state.gone")}
        acts={
          <>
            {onWithout && (
              <Button variant="default" onClick={() => onWithout(error.id)}>
                {t("state.without")}
              </Button>
            )}
            {reset}
          </>
        }
        live="alert"
      >
        {t("state.goneMore")}
      </State>
    );
  }
  if (error instanceof ApiProblem) {
    if (error.status === 401) {
      return <State icon={<IconKey {...look} />} title={t("state.key")} live="alert" />;
    }
    if (error.status === 503) {
      return (
        <State icon={<IconHourglass {...look} />} title={t("state.wait")} acts={again} live="status">
          {said(error)}
        </State>
      );
    }
    const title = error.code === "bad-query" ? t("state.query") : t("state.failed");
    return (
      <State
        icon={<IconAlertCircle {...look} />}
        title={title}
        acts={error.status >= 500 ? again : reset}
        live="alert"
      >
        {said(error)}
      </State>
    );
  }
  return (
    <State icon={<IconAlertCircle {...look} />} title={t("state.failed")} acts={again} live="alert">
      {said(error)}
    </State>
  );
}
