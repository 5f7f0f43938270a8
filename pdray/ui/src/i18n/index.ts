import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import en from "./en.json";

/** Languages are the files beside this one: another file is another language. */
const files = import.meta.glob<typeof en>(["./*.json", "!./en.json"], { import: "default" });
const NAME = "pdray.language";

export const languages = ["en", ...Object.keys(files).map((path) => path.slice(2, -5))].sort();

export function languageName(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}

function preferred(): string {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(NAME);
  } catch {
    // then the browser's own
  }
  for (const wanted of [kept, ...navigator.languages]) {
    const code = wanted?.toLowerCase();
    const found = languages.find((one) => code === one || code?.startsWith(`${one}-`));
    if (found) return found;
  }
  return "en";
}

export async function speak(code: string) {
  const load = files[`./${code}.json`];
  if (load) i18next.addResourceBundle(code, "translation", await load());
  await i18next.changeLanguage(code);
  document.documentElement.lang = code;
}

export async function chooseLanguage(code: string) {
  try {
    localStorage.setItem(NAME, code);
  } catch {
    // then it lasts until the page is closed
  }
  await speak(code);
}

export async function startLanguages() {
  await i18next.use(initReactI18next).init({
    lng: "en",
    fallbackLng: "en",
    resources: { en: { translation: en } },
    interpolation: { escapeValue: false },
  });
  await speak(preferred());
}

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
  }
}
