import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", "src/api/schema.d.ts"] },
  ts.configs.strict,
  ts.configs.stylistic,
  { plugins: { "react-hooks": hooks }, rules: { ...hooks.configs.recommended.rules } },
  { rules: { "@typescript-eslint/no-non-null-assertion": "off" } },
);
