import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import { useSource } from "../api/source";
import type { Picture } from "../grid/feed";
import styles from "./detail.module.css";

interface Props {
  id: string;
  hrefOf: (id: string) => string;
  onOpen: (id: string) => void;
}

export function Similar({ id, hrefOf, onOpen }: Props) {
  const { t } = useTranslation();
  const { data, error } = useQuery(queries.similar(id));
  if (error || data?.hits.length === 0) return null;
  return (
    <section aria-label={t("detail.similar")}>
      <h2 className={styles.part}>{t("detail.similar")}</h2>
      <div className={styles.likes}>
        {data
          ? data.hits.map((hit) => <Small key={hit.id} picture={hit} {...{ hrefOf, onOpen }} />)
          : Array.from({ length: 9 }, (_, at) => (
              <Skeleton key={at} style={{ aspectRatio: 1 }} radius={4} aria-hidden />
            ))}
      </div>
    </section>
  );
}

function Small({ picture, hrefOf, onOpen }: { picture: Picture } & Omit<Props, "id">) {
  const source = useSource(picture.thumbnail);
  return (
    <a
      href={hrefOf(picture.id)}
      aria-label={picture.caption ?? picture.title ?? picture.name}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        onOpen(picture.id);
      }}
    >
      {source && <img src={source} alt="" loading="lazy" decoding="async" />}
    </a>
  );
}
