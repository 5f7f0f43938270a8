import "@mantine/core/styles.css";
import "./styles.css";

import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { ApiProblem } from "./api/client";
import { onReturn } from "./api/connection";
import { App } from "./App";
import { startLanguages } from "./i18n";
import { theme } from "./theme";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // What isn't available now says when it may be; nothing else gets better by asking again.
      retry: (count, error) => error instanceof ApiProblem && error.status === 503 && count < 5,
      retryDelay: (_, error) =>
        1_000 * ((error instanceof ApiProblem && error.retrySeconds) || 2),
    },
  },
});
onReturn(() => void client.invalidateQueries());

history.scrollRestoration = "manual"; // each list keeps its own place
await startLanguages();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={client}>
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
