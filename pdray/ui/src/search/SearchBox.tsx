import { ActionIcon, Combobox, Tooltip, useCombobox } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import {
  IconClock,
  IconFilter,
  IconPhotoPlus,
  IconSearch,
  IconTag,
  IconX,
} from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { queries } from "../api/queries";
import { EQUAL, type Example, joined, without } from "../query/mix";
import { join, split } from "../query/tokens";
import { forgetQueries, pastQueries, rememberQuery } from "../state/history";
import type { View } from "../state/url";
import { Chip, ExampleChip } from "./Chip";
import { ACCEPT } from "./formats";
import styles from "./search.module.css";
import { past, proposed, type Suggestion } from "./suggest";

interface Props {
  view: View;
  onSearch: (changes: Partial<View>) => void;
  /** Images that join what is looked for. */
  onPick: (files: File[]) => void;
}

const ICONS = { past: IconClock, field: IconFilter, value: IconTag };
const ADDRESS = /^https?:\/\/\S+$/;

/** The search box: words as text, conditions and images as chips. */
export function SearchBox({ view, onSearch, onPick }: Props) {
  const { t } = useTranslation();
  const { examples } = view;
  const parts = useMemo(() => split(view.q), [view.q]);
  const [words, setWords] = useState(parts.words);
  const [of, setOf] = useState(view.q);
  if (of !== view.q) {
    setOf(view.q); // someone went elsewhere: what was being typed belongs to the place before
    setWords(parts.words);
  }
  const input = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const [focused, setFocused] = useState(false);
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const suggestions = useSuggestions(words, parts.words, view, focused);

  useHotkeys([["/", () => input.current?.focus()]]);

  const search = (text: string, chips = parts.chips) => {
    combobox.closeDropdown();
    if (ADDRESS.test(text.trim())) {
      // An address alone is that of an image to look for the like of.
      const web: Example = { kind: "web", of: text.trim(), weight: 1 };
      setWords("");
      onSearch({ q: join("", chips), examples: joined(examples, [web]).examples });
      return;
    }
    const q = join(text, chips);
    rememberQuery(q);
    onSearch({ q });
  };
  const take = (suggestion: Suggestion) => {
    setWords(suggestion.words);
    if (suggestion.kind === "field") {
      input.current?.focus();
      combobox.openDropdown();
      return;
    }
    if (suggestion.kind === "past") {
      rememberQuery(suggestion.words);
      combobox.closeDropdown();
      onSearch({ q: suggestion.words });
      return;
    }
    const chips = suggestion.chip ? [...parts.chips, ...split(suggestion.chip).chips] : parts.chips;
    search(suggestion.words, chips);
  };
  const drop = (at: number) => search(words, parts.chips.filter((_, index) => index !== at));
  const nothing = !words && parts.chips.length === 0 && examples.length === 0;

  return (
    <Combobox
      store={combobox}
      onOptionSubmit={(value) => {
        const found = suggestions[Number(value)];
        if (found) take(found);
      }}
      offset={8}
      radius="lg"
      shadow="md"
      transitionProps={{ duration: 80, transition: "fade" }}
      withinPortal={false}
      zIndex={120}
    >
      <Combobox.DropdownTarget>
        <form
          role="search"
          className={styles.box}
          onSubmit={(event) => {
            event.preventDefault();
            if (combobox.getSelectedOptionIndex() < 0) search(words);
          }}
          onMouseDown={(event) => {
            if (event.target === event.currentTarget) {
              event.preventDefault();
              input.current?.focus();
            }
          }}
        >
          <IconSearch className={styles.glass} size={19} stroke={1.8} aria-hidden />
          <div className={styles.inside}>
            {examples.map((example, at) => (
              <ExampleChip
                key={`${example.kind} ${example.of}`}
                example={example}
                onRemove={() => onSearch(without(examples, at))}
              />
            ))}
            {parts.chips.map((part, at) => (
              <Chip key={`${part.raw} ${at}`} part={part} onRemove={() => drop(at)} />
            ))}
            <Combobox.EventsTarget withAriaAttributes withExpandedAttribute autoComplete="off">
              <input
                ref={input}
                className={styles.input}
                type="search"
                role="combobox"
                enterKeyHint="search"
                autoCapitalize="off"
                spellCheck={false}
                value={words}
                aria-label={t("search.label")}
                placeholder={nothing ? t("search.placeholder") : t("search.more")}
                onChange={(event) => {
                  const text = event.currentTarget.value;
                  const done = finished(text);
                  if (done) search(done.words, [...parts.chips, ...done.chips]);
                  setWords(done ? `${done.words}${done.words && " "}` : text);
                  combobox.openDropdown();
                  combobox.resetSelectedOption();
                }}
                onFocus={() => setFocused(true)}
                onClick={() => combobox.openDropdown()}
                onBlur={() => combobox.closeDropdown()}
                onKeyDown={(event) => {
                  if (event.key === "Backspace" && words === "") {
                    if (parts.chips.length > 0) drop(parts.chips.length - 1);
                    else if (examples.length > 0) onSearch(without(examples, examples.length - 1));
                  } else if (event.key === "Escape") {
                    if (combobox.dropdownOpened) combobox.closeDropdown();
                    else event.currentTarget.blur();
                  }
                }}
              />
            </Combobox.EventsTarget>
          </div>
          {!nothing && (
            <Tooltip label={t("search.clear")} openDelay={400}>
              <ActionIcon
                variant="subtle"
                color="gray"
                radius="xl"
                size={34}
                aria-label={t("search.clear")}
                onClick={() => {
                  setWords("");
                  onSearch({ q: "", examples: [], weights: EQUAL, sort: null });
                  input.current?.focus();
                }}
              >
                <IconX size={18} stroke={1.8} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
          <Tooltip label={t(nothing ? "search.byImage" : "search.addImage")} openDelay={400}>
            <ActionIcon
              variant="subtle"
              color="gray"
              radius="xl"
              size={34}
              aria-label={t(nothing ? "search.byImage" : "search.addImage")}
              onClick={() => files.current?.click()}
            >
              <IconPhotoPlus size={20} stroke={1.7} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <input
            ref={files}
            type="file"
            multiple
            accept={ACCEPT}
            hidden
            aria-hidden
            tabIndex={-1}
            onChange={(event) => {
              const picked = [...(event.currentTarget.files ?? [])];
              if (picked.length > 0) onPick(picked);
              event.currentTarget.value = "";
            }}
          />
        </form>
      </Combobox.DropdownTarget>
      <Combobox.Dropdown hidden={suggestions.length === 0}>
        <Combobox.Options mah="60vh" style={{ overflowY: "auto" }}>
          {suggestions.map((one, at) => {
            const Icon = ICONS[one.kind];
            return (
              <Combobox.Option key={`${one.kind} ${one.said}`} value={String(at)}>
                <span className={styles.option}>
                  <Icon size={16} stroke={1.7} aria-hidden />
                  <span>{one.said}</span>
                  {one.aside && <span>{one.aside}</span>}
                </span>
              </Combobox.Option>
            );
          })}
        </Combobox.Options>
        {suggestions.every((one) => one.kind === "past") && (
          <Combobox.Footer p={0}>
            <div className={styles.foot}>
              <span>{t("search.past")}</span>
              <button
                type="button"
                className={styles.remove}
                style={{ width: "auto", paddingInline: 8, borderRadius: 8 }}
                tabIndex={-1}
                onMouseDown={(event) => {
                  event.preventDefault();
                  forgetQueries();
                  combobox.closeDropdown();
                }}
              >
                {t("search.forget")}
              </button>
            </div>
          </Combobox.Footer>
        )}
      </Combobox.Dropdown>
    </Combobox>
  );
}

/** A condition that a space ends becomes a chip while one goes on typing. */
function finished(text: string) {
  if (!text.endsWith(" ") || (text.match(/"/g)?.length ?? 0) % 2 === 1) return null;
  const { words, chips } = split(text);
  const real = chips.filter((chip) => chip.kind !== "condition" || chip.value !== "");
  return real.length > 0 && real.length === chips.length ? { words, chips } : null;
}

function useSuggestions(words: string, before: string, view: View, wanted: boolean): Suggestion[] {
  const { t, i18n } = useTranslation();
  const typing = words !== before && words !== "";
  const { data } = useQuery({
    ...queries.suggestions(words, view.collection),
    enabled: wanted && typing,
    placeholderData: keepPreviousData,
  });
  return useMemo(() => {
    if (!wanted || (!typing && words !== "")) return [];
    const explain = (field: string) => t(`field.${field}` as "field.camera", "");
    const queries = pastQueries().filter((one) => one !== view.q);
    return [
      ...past(words, queries),
      ...(typing && data ? proposed(data.completions, explain, i18n.language) : []),
    ];
  }, [words, typing, wanted, data, view.q, t, i18n.language]);
}
