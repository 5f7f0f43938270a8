"""The page. These tests are a package, so that Playwright ends with the last of them: it keeps an
event loop in its thread, where no other test could run one of its own.
"""
