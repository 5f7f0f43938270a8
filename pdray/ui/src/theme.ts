import { createTheme, type MantineColorsTuple } from "@mantine/core";

const teal: MantineColorsTuple = [
  "#e9f6f4", "#d3ebe7", "#a5d6cf", "#74c0b6", "#4caea2", "#329f92", "#1f8e82", "#0f766e", "#0b635c", "#064f49",
];
/** Greys with a trace of the accent; pictures look their truest on them. */
const ink: MantineColorsTuple = [
  "#d3d9d9", "#b3bcbc", "#8d9898", "#626d6d", "#3e4747", "#2b3333", "#202727", "#141919", "#0e1212", "#090c0c",
];

export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  colors: { teal, dark: ink },
  defaultRadius: "md",
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace',
  headings: { fontWeight: "600" },
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
});
