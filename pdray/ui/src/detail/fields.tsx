import { Button, Group, Input, Rating, TagsInput, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import { useSaid } from "../i18n/useSaid";

/** What the forms of edits are made of, for one image and for many. */

const MOST_TAGS = 100;

interface TagsProps {
  label: string;
  description?: string;
  collection: string | null;
  value: string[];
  onChange: (tags: string[]) => void;
  first?: boolean;
}

/** Tags, with those that the collection has on offer. */
export function Tags({ collection, first, ...field }: TagsProps) {
  const known = useQuery(queries.facets("", collection, ["keywords"]));
  return (
    <TagsInput
      {...field}
      data={known.data?.facets.keywords?.map((one) => one.value) ?? []}
      maxTags={MOST_TAGS}
      limit={8}
      data-autofocus={first || undefined}
    />
  );
}

/** One to five stars; 0 is none. */
export function Stars({ value, onChange }: { value: number; onChange: (stars: number) => void }) {
  const { t } = useTranslation();
  return (
    <Input.Wrapper label={t("fact.rating")} labelElement="div">
      <Rating
        value={value}
        onChange={onChange}
        size="lg"
        role="radiogroup"
        aria-label={t("fact.rating")}
      />
    </Input.Wrapper>
  );
}

interface EndProps {
  error: Error | null;
  saving: boolean;
  onCancel: () => void;
  children?: ReactNode;
}

/** What went wrong, and the buttons. */
export function End({ error, saving, onCancel, children }: EndProps) {
  const { t } = useTranslation();
  const said = useSaid();
  return (
    <>
      {error && (
        <Text role="alert" size="sm" c="var(--mantine-color-error)">
          {said(error)}
        </Text>
      )}
      <Group gap="xs">
        <Button type="submit" size="sm" loading={saving}>
          {t("edit.save")}
        </Button>
        <Button size="sm" variant="default" onClick={onCancel}>
          {t("edit.cancel")}
        </Button>
        {children}
      </Group>
    </>
  );
}
