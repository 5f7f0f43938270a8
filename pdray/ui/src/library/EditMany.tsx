import { Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";

import { call, type Schemas } from "../api/client";
import { End, Stars, Tags } from "../detail/fields";

interface Props {
  ids: readonly string[];
  collection: string | null;
  onDone: (images: number, missing: number) => void;
  onCancel: () => void;
}

/** Tags and a rating for many images at once. */
export function EditMany({ ids, collection, onDone, onCancel }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [added, setAdded] = useState<string[]>([]);
  const [removed, setRemoved] = useState<string[]>([]);
  const [rating, setRating] = useState(0);
  const send = useMutation({
    mutationFn: () =>
      call<Schemas["Edited"]>("/images/edit", {
        method: "POST",
        body: {
          ids,
          ...(added.length > 0 && { add_tags: added }),
          ...(removed.length > 0 && { remove_tags: removed }),
          ...(rating > 0 && { rating }),
        },
      }),
    onSuccess: ({ images, missing }) => {
      for (const key of ["image", "facets", "suggestions"]) {
        void client.invalidateQueries({ queryKey: [key] });
      }
      onDone(images, missing.length);
    },
  });
  const says = added.length > 0 || removed.length > 0 || rating > 0;
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (says) send.mutate();
    else onCancel();
  };
  return (
    <form onSubmit={save}>
      <Stack gap="sm">
        <Tags
          label={t("choose.add")}
          description={t("edit.tagsMore")}
          value={added}
          onChange={setAdded}
          {...{ collection }}
          first
        />
        <Tags label={t("choose.remove")} value={removed} onChange={setRemoved} {...{ collection }} />
        <Stars value={rating} onChange={setRating} />
        <End error={send.error} saving={send.isPending} onCancel={onCancel} />
      </Stack>
    </form>
  );
}
