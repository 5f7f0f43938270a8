import { Button, Skeleton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconChevronRight, IconFolder } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../api/client";
import { queries } from "../api/queries";
import styles from "./filters.module.css";
import { folderPath, leadsTo, meansFolder } from "./folders";
import { Group } from "./Group";
import { Sought } from "./Sought";

interface Props {
  /** The conditions beside that of a folder. */
  q: string;
  collection: string | null;
  chosen: string[];
  onToggle: (folder: string, chosen: boolean) => void;
}

/** Where images come from: a folder stands for all that is below it. A level is asked for when it
 * is unfolded, so that there may be any number of them. */
export function FolderTree(props: Props) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [sought] = useDebouncedValue(typed.trim(), 250);
  const title = t("filter.folder");
  const { data } = useInfiniteQuery({
    ...queries.folders({ ...props, within: null, find: null }),
    placeholderData: keepPreviousData,
  });
  const roots = data?.pages[0]?.folders ?? [];
  if (data && roots.length === 0 && props.chosen.length === 0) return null;
  const plain = roots.length === 1 && roots[0]!.folders === 0;
  return (
    <Group title={title}>
      {!plain && <Sought what={title} value={typed} onChange={setTyped} />}
      {sought ? (
        <Level {...props} within={null} find={sought} open={false} />
      ) : (
        <Level {...props} within={null} find={null} open={roots.length === 1} />
      )}
    </Group>
  );
}

interface LevelProps extends Props {
  within: string | null;
  find: string | null;
  /** Whether its folders are unfolded from the first. */
  open: boolean;
}

function Level({ open, ...props }: LevelProps) {
  const { t } = useTranslation();
  const { within, find } = props;
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    ...queries.folders(props),
    placeholderData: keepPreviousData,
  });
  if (!data) return <Skeleton height={28} radius="md" aria-hidden />;
  const folders = data.pages.flatMap((page) => page.folders);
  const left = (data.pages[0]?.total ?? 0) - folders.length;
  if (folders.length === 0 && within === null) {
    return <p className={styles.none}>{t("filter.noFolder")}</p>;
  }
  return (
    <>
      <ul className={within === null ? styles.values : styles.nest}>
        {folders.map((folder) => (
          <Branch key={folder.folder} {...props} folder={folder} flat={find !== null} open={open} />
        ))}
      </ul>
      {hasNextPage && (
        <Button
          variant="subtle"
          size="compact-xs"
          loading={isFetchingNextPage}
          onClick={() => void fetchNextPage()}
        >
          {t("filter.moreFolders", { count: left })}
        </Button>
      )}
    </>
  );
}

interface BranchProps extends Props {
  folder: Schemas["Folder"];
  /** Among those that were sought, whose places say where they are. */
  flat: boolean;
  open: boolean;
}

function Branch({ folder: { folder, name, count, folders }, flat, open, ...props }: BranchProps) {
  const { t, i18n } = useTranslation();
  const { chosen, onToggle } = props;
  const [unfolded, setUnfolded] = useState(open || chosen.some((one) => leadsTo(one, folder)));
  const on = chosen.some((one) => meansFolder(one, folder));
  return (
    <li>
      <div className={styles.folder}>
        {folders > 0 && !flat ? (
          <button
            type="button"
            className={styles.fold}
            aria-expanded={unfolded}
            aria-label={t(unfolded ? "filter.close" : "filter.open", { what: name })}
            onClick={() => setUnfolded(!unfolded)}
          >
            <IconChevronRight size={15} aria-hidden />
          </button>
        ) : (
          <span className={styles.leaf}>
            <IconFolder size={15} stroke={1.6} aria-hidden />
          </span>
        )}
        <button
          type="button"
          className={styles.value}
          title={folderPath(folder)}
          aria-pressed={on}
          onClick={() => onToggle(folder, on)}
        >
          <span>
            {name}
            {flat && (
              <small>
                <bdi>{folderPath(folder.slice(0, folder.lastIndexOf("/")))}</bdi>
              </small>
            )}
          </span>
          <span className={styles.count}>{count.toLocaleString(i18n.language)}</span>
        </button>
      </div>
      {unfolded && folders > 0 && !flat && (
        <Level {...props} within={folder} find={null} open={false} />
      )}
    </li>
  );
}
