"""The routes, a noun a file: each makes a router over the engine."""
