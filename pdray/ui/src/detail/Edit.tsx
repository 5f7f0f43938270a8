import { Button, Stack, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";

import { call, type Schemas } from "../api/client";
import { queries } from "../api/queries";
import type { Picture } from "../grid/feed";
import styles from "./detail.module.css";
import { End, Stars, Tags } from "./fields";

interface Props {
  picture: Picture;
  onDone: () => void;
}

/** What people may say of an image: caption, rating, tags. Only what was changed is sent. */
export function Edit({ picture, onDone }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [caption, setCaption] = useState(picture.caption ?? "");
  const [rating, setRating] = useState(picture.rating ?? 0);
  const [tags, setTags] = useState<string[]>(picture.tags);
  const shown = (saved: Schemas["Image"]) => {
    client.setQueryData(queries.image(picture.id).queryKey, saved);
    void client.invalidateQueries({ queryKey: ["facets"] });
    void client.invalidateQueries({ queryKey: ["suggestions"] });
    onDone();
  };
  const send = useMutation({
    mutationFn: (body: Partial<Schemas["ImageEdit"]>) =>
      call<Schemas["Image"]>(`/images/${encodeURIComponent(picture.id)}`, { method: "PATCH", body }),
    onSuccess: shown,
  });
  const save = (event: FormEvent) => {
    event.preventDefault();
    const body = changed(picture, { caption, rating, tags });
    if (Object.keys(body).length > 0) send.mutate(body);
    else onDone();
  };
  return (
    <form onSubmit={save} className={styles.edit}>
      <Stack gap="sm">
        <Textarea
          label={t("edit.caption")}
          value={caption}
          onChange={(event) => setCaption(event.currentTarget.value.replace(/[\r\n]+/g, " "))}
          maxLength={2_000}
          autosize
          minRows={2}
          autoFocus
        />
        <Tags
          label={t("fact.tags")}
          description={t("edit.tagsMore")}
          collection={picture.collection}
          value={tags}
          onChange={setTags}
        />
        <Stars value={rating} onChange={setRating} />
        <End error={send.error} saving={send.isPending} onCancel={onDone}>
          {picture.edited.length > 0 && (
            <Button
              size="sm"
              variant="subtle"
              color="gray"
              onClick={() => send.mutate({ reset: true })}
            >
              {t("edit.reset")}
            </Button>
          )}
        </End>
      </Stack>
    </form>
  );
}

interface Values {
  caption: string;
  rating: number;
  tags: string[];
}

/** The edit that makes of what is shown what was entered. */
function changed(picture: Picture, now: Values): Partial<Schemas["ImageEdit"]> {
  const body: Partial<Schemas["ImageEdit"]> = {};
  const caption = now.caption.trim();
  if (caption !== (picture.caption ?? "")) body.caption = caption || null;
  if (now.rating !== (picture.rating ?? 0)) body.rating = now.rating;
  const added = now.tags.filter((tag) => !picture.tags.includes(tag));
  const removed = picture.tags.filter((tag) => !now.tags.includes(tag));
  if (added.length > 0) body.add_tags = added;
  if (removed.length > 0) body.remove_tags = removed;
  return body;
}
