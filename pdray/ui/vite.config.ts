import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

declare const process: { env: Record<string, string | undefined> };

// `npm run dev` shows the sources as they are written, over a server started with `pdray serve`.
const server = process.env.PDRAY_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // Files in the page stay files: data: URLs would have to be allowed in the security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1800,
    rollupOptions: { input: ["index.html", "docs.html"] },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": { target: server, ws: true } } },
});
