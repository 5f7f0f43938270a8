import { IconPhotoPlus, IconPhotoSearch } from "@tabler/icons-react";
import { memo } from "react";

import { useSource } from "../api/source";
import type { Picture } from "./feed";
import styles from "./grid.module.css";

interface Props {
  picture: Picture;
  width: number;
  height: number;
  href: string;
  /** Whether Tab comes to this one: one tile of the grid alone. */
  reachable: boolean;
  /** Words of the buttons; they come from the row, since a tile is made often. */
  like: string;
  add: string;
  choose: string;
  chosen: boolean;
  /** Whether any image is chosen: then a click chooses instead of opening. */
  choosing: boolean;
  onOpen: (picture: Picture) => void;
  onLike: (picture: Picture) => void;
  /** Null where nothing is looked for that it could join. */
  onAdd: ((picture: Picture) => void) | null;
  /** `upTo`: all from the one that was chosen before. */
  onChoose: (picture: Picture, upTo: boolean) => void;
  onFocus: (picture: Picture) => void;
}

export const Tile = memo(function Tile(props: Props) {
  const { picture, width, height, href, reachable, chosen, choosing } = props;
  const source = useSource(picture.thumbnail);
  const { onAdd } = props;
  const said = picture.caption ?? picture.title ?? picture.description ?? picture.name;
  return (
    <div
      className={styles.tile}
      style={{ width, height }}
      role="listitem"
      data-chosen={chosen || undefined}
      data-choosing={choosing || undefined}
    >
      <a
        className={styles.link}
        href={href}
        data-id={picture.id}
        tabIndex={reachable ? 0 : -1}
        aria-label={said}
        draggable={false}
        onFocus={() => props.onFocus(picture)}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.button !== 0) return;
          if (event.shiftKey && !choosing) return;
          event.preventDefault();
          if (choosing) props.onChoose(picture, event.shiftKey);
          else props.onOpen(picture);
        }}
      >
        {picture.thumbnail ? (
          source && <img src={source} alt="" decoding="async" draggable={false} />
        ) : (
          <span className={styles.none}>{picture.name}</span>
        )}
      </a>
      <button
        type="button"
        role="checkbox"
        aria-checked={chosen}
        className={styles.check}
        tabIndex={-1}
        aria-label={`${props.choose}: ${said}`}
        title={props.choose}
        onClick={(event) => props.onChoose(picture, event.shiftKey)}
      />
      <div className={styles.over}>
        <span>{said}</span>
        {onAdd && (
          <button
            type="button"
            className={styles.more}
            tabIndex={-1}
            aria-label={`${props.add}: ${said}`}
            title={props.add}
            onClick={() => onAdd(picture)}
          >
            <IconPhotoPlus size={17} stroke={1.7} aria-hidden />
          </button>
        )}
        <button
          type="button"
          className={styles.more}
          tabIndex={-1}
          aria-label={`${props.like}: ${said}`}
          title={props.like}
          onClick={() => props.onLike(picture)}
        >
          <IconPhotoSearch size={17} stroke={1.7} aria-hidden />
        </button>
      </div>
    </div>
  );
});
