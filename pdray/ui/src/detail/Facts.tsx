import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { folderPath } from "../filters/folders";
import type { Picture } from "../grid/feed";
import { condition } from "../query/tokens";
import { ALL, writeView } from "../state/url";
import styles from "./detail.module.css";
import { bytes, megapixels, place, round, settings, taken } from "./facts";

interface Props {
  picture: Picture;
  onFind: (q: string) => void;
  children: ReactNode;
}

/** What is known of an image; each fact that can be looked for is a link. */
export function Facts({ picture, onFind, children }: Props) {
  const { t, i18n } = useTranslation();
  const find = (q: string, said: ReactNode) => (
    <a
      href={writeView({ ...ALL, q })}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        onFind(q);
      }}
    >
      {said}
    </a>
  );
  const { camera, lens, latitude, longitude, width, height } = picture;
  const set = settings(picture, i18n.language);
  const day = picture.taken?.slice(0, 10);
  const facts: [string, ReactNode][] = [];
  if (camera) facts.push([t("fact.camera"), find(condition("camera", camera), camera)]);
  if (lens) facts.push([t("fact.lens"), find(condition("lens", lens), lens)]);
  if (set.length > 0) facts.push([t("fact.settings"), set.join("  ·  ")]);
  if (latitude != null && longitude != null) {
    const near = `near:${round(latitude, 4)},${round(longitude, 4)},5km`;
    facts.push([t("fact.place"), find(near, place(latitude, longitude, t("fact.compass")))]);
  }
  if (picture.altitude_m != null) {
    facts.push([t("fact.altitude"), `${Math.round(picture.altitude_m)} m`]);
  }
  if (width && height) {
    const size = [`${width} × ${height}`, megapixels(width, height, i18n.language)];
    facts.push([t("fact.pixels"), size.filter(Boolean).join("  ·  ")]);
  }
  const file = [picture.format?.toUpperCase(), picture.size && bytes(picture.size, i18n.language)];
  facts.push([t("fact.file"), file.filter(Boolean).join("  ·  ")]);
  if (picture.rating != null) facts.push([t("fact.rating"), `${picture.rating} / 5`]);
  if (picture.folder) {
    facts.push([t("fact.folder"), find(condition("folder", picture.folder), folderPath(picture.folder))]);
  }
  if (picture.score != null && picture.rank != null) {
    const score = round(picture.score, 3).toLocaleString(i18n.language);
    facts.push([t("fact.score"), t("fact.rank", { score, rank: picture.rank })]);
  }
  if (picture.edited.length > 0) {
    facts.push([t("fact.edited"), picture.edited.map((one) => t(`edited.${one}`)).join(", ")]);
  }
  if (picture.caption_by) facts.push([t("fact.caption_by"), picture.caption_by]);
  return (
    <>
      <p className={styles.caption}>{picture.caption ?? picture.title ?? picture.name}</p>
      {picture.taken && day && (
        <p className={styles.when}>{taken(picture.taken, i18n.language)}</p>
      )}
      {picture.description && <p className={styles.when}>{picture.description}</p>}
      <div className={styles.acts}>{children}</div>
      <dl className={styles.facts}>
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {picture.tags.length > 0 && (
        <>
          <h2 className={styles.part}>{t("fact.tags")}</h2>
          <div className={styles.tags}>
            {picture.tags.map((tag) => (
              <span key={tag}>{find(condition("tag", tag), tag)}</span>
            ))}
          </div>
        </>
      )}
    </>
  );
}
