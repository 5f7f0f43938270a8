import { Button, Group, Input, Rating, Stack, TagsInput, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";

import { call, type Schemas } from "../api/client";
import { queries } from "../api/queries";
import { useSaid } from "../i18n/useSaid";

interface Props {
  ids: readonly string[];
  collection: string | null;
  onDone: (images: number, missing: number) => void;
  onCancel: () => void;
}

const MOST_TAGS = 100;

/** Tags and a rating for many images at once. */
export function EditMany({ ids, collection, onDone, onCancel }: Props) {
  const { t } = useTranslation();
  const said = useSaid();
  const client = useQueryClient();
  const [added, setAdded] = useState<string[]>([]);
  const [removed, setRemoved] = useState<string[]>([]);
  const [rating, setRating] = useState(0);
  const known = useQuery(queries.facets("", collection, ["keywords"]));
  const tags = known.data?.facets.keywords?.map((one) => one.value) ?? [];
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
        <TagsInput
          label={t("choose.add")}
          description={t("edit.tagsMore")}
          data={tags}
          value={added}
          onChange={setAdded}
          maxTags={MOST_TAGS}
          limit={8}
          data-autofocus
        />
        <TagsInput
          label={t("choose.remove")}
          data={tags}
          value={removed}
          onChange={setRemoved}
          maxTags={MOST_TAGS}
          limit={8}
        />
        <Input.Wrapper label={t("fact.rating")} labelElement="div">
          <Rating
            value={rating}
            onChange={setRating}
            size="lg"
            role="radiogroup"
            aria-label={t("fact.rating")}
          />
        </Input.Wrapper>
        {send.error && (
          <Text role="alert" size="sm" c="var(--mantine-color-error)">
            {said(send.error)}
          </Text>
        )}
        <Group gap="xs">
          <Button type="submit" size="sm" loading={send.isPending}>
            {t("edit.save")}
          </Button>
          <Button size="sm" variant="default" onClick={onCancel}>
            {t("edit.cancel")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
