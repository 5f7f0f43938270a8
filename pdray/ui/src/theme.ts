import {
  Autocomplete,
  Combobox,
  createTheme,
  defaultVariantColorsResolver,
  DrawerHeader,
  type MantineColorsTuple,
  Menu,
  ModalHeader,
  Popover,
  Select,
  type VariantColorsResolver,
} from "@mantine/core";

const teal: MantineColorsTuple = [
  "#e9f6f4", "#d3ebe7", "#a5d6cf", "#74c0b6", "#4caea2", "#329f92", "#1f8e82", "#0f766e", "#0b635c", "#064f49",
];
/** Greys with a trace of the accent; pictures look their truest on them. */
const ink: MantineColorsTuple = [
  "#d3d9d9", "#b3bcbc", "#8d9898", "#626d6d", "#3e4747", "#2b3333", "#202727", "#141919", "#0e1212", "#090c0c",
];

/** What stands on the accent: its shade is another in the dark, which Mantine leaves out of account. */
const variants: VariantColorsResolver = (input) => {
  const found = defaultVariantColorsResolver(input);
  const accent = !input.color || input.color === input.theme.primaryColor;
  return accent && input.variant === "filled"
    ? { ...found, color: "var(--mantine-primary-color-contrast)" }
    : found;
};

const LIST = { maxHeight: 260, overflowY: "auto" } as const;

export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.3,
  colors: { teal, dark: ink },
  defaultRadius: "md",
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace',
  headings: { fontWeight: "600" },
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
  variantColorResolver: variants,
  components: {
    // What opens stays in the landmark that it belongs to, and comes next on the way of the Tab key.
    Combobox: Combobox.extend({ defaultProps: { withinPortal: false } }),
    // A list that scrolls by itself is one that the keys of its field move in.
    Select: Select.extend({ defaultProps: { withScrollArea: false }, styles: { options: LIST } }),
    Autocomplete: Autocomplete.extend({
      defaultProps: { withScrollArea: false },
      styles: { options: LIST },
    }),
    Popover: Popover.extend({ defaultProps: { withinPortal: false } }),
    // A menu holds items and nothing else: its first has the focus.
    Menu: Menu.extend({ defaultProps: { withinPortal: false, withInitialFocusPlaceholder: false } }),
    // <header> would be a second banner of the page.
    ModalHeader: ModalHeader.extend({ defaultProps: { role: "presentation" } }),
    DrawerHeader: DrawerHeader.extend({ defaultProps: { role: "presentation" } }),
  },
});
