import { ActionIcon, Button, FocusTrap, Loader } from "@mantine/core";
import { IconArrowLeft, IconPencil, IconPhotoPlus, IconPhotoSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import type { Feed, Picture as Shown } from "../grid/feed";
import { StateOf } from "../shell/StateOf";
import { Acts } from "./Acts";
import styles from "./detail.module.css";
import { Edit } from "./Edit";
import { Facts } from "./Facts";
import { Picture } from "./Picture";
import { Similar } from "./Similar";
import { useKeys, useStepping } from "./stepping";
import { Steps } from "./Steps";

interface Props {
  id: string;
  feed: Feed;
  hrefOf: (id: string) => string;
  onStep: (id: string) => void;
  onClose: () => void;
  onLike: (picture: Shown) => void;
  /** Null where nothing is looked for that it could join. */
  onAdd: ((picture: Shown) => void) | null;
  /** A condition that the person chose here. */
  onFind: (q: string) => void;
}

/** One image over everything else: arrow keys go on, Escape goes back. */
export function Detail(props: Props) {
  const { id, feed, onClose } = props;
  const { t } = useTranslation();
  const found = feed.find(id);
  const listed = found && feed.at(found);
  const { data, error, refetch } = useQuery({ ...queries.image(id), enabled: !listed });
  // What was edited here is newer than the list that it was found in.
  const picture: Shown | undefined = listed && data ? { ...listed, ...data } : (listed ?? data);
  const [editing, setEditing] = useState<string | null>(null);
  const step = useStepping(props);
  useKeys(step, props, picture);
  const title = picture ? (picture.caption ?? picture.title ?? picture.name) : t("detail.title");
  return (
    <FocusTrap active>
      <div className={styles.all} role="dialog" aria-modal="true" aria-label={title} data-detail>
        <div className={styles.stage}>
          <div className={styles.bar}>
            <ActionIcon
              variant="subtle"
              color="gray"
              size={40}
              radius="xl"
              aria-label={t("detail.close")}
              onClick={onClose}
              data-autofocus
            >
              <IconArrowLeft size={22} stroke={1.7} aria-hidden />
            </ActionIcon>
            <h1>{picture?.name}</h1>
            {picture && <Acts picture={picture} />}
          </div>
          {picture && <Picture key={picture.id} picture={picture} said={title} />}
          {error && <StateOf error={error} onAgain={() => void refetch()} />}
          {!picture && !error && (
            <div className={styles.frame}>
              <Loader aria-label={t("state.loading")} />
            </div>
          )}
          {found && <Steps {...{ step, feed, id }} />}
        </div>
        <aside className={styles.panel} aria-label={t("detail.about")}>
          {picture && editing === picture.id && (
            <Edit key={picture.id} picture={picture} onDone={() => setEditing(null)} />
          )}
          {picture && editing !== picture.id && (
            <>
              <Facts picture={picture} onFind={props.onFind}>
                <Button
                  leftSection={<IconPhotoSearch size={18} stroke={1.7} aria-hidden />}
                  variant="light"
                  size="sm"
                  onClick={() => props.onLike(picture)}
                >
                  {t("detail.like")}
                </Button>
                <Button
                  leftSection={<IconPencil size={18} stroke={1.7} aria-hidden />}
                  variant="default"
                  size="sm"
                  onClick={() => setEditing(picture.id)}
                >
                  {t("edit.title")}
                </Button>
                {props.onAdd && (
                  <Button
                    leftSection={<IconPhotoPlus size={18} stroke={1.7} aria-hidden />}
                    variant="default"
                    size="sm"
                    onClick={() => props.onAdd?.(picture)}
                  >
                    {t("detail.add")}
                  </Button>
                )}
              </Facts>
              <Similar id={picture.id} hrefOf={props.hrefOf} onOpen={props.onStep} />
            </>
          )}
        </aside>
      </div>
    </FocusTrap>
  );
}
