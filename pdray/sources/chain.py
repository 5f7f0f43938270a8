"""An error and what it came from."""

from collections.abc import Iterator


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes, however clients wrapped them."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__cause__, one.__context__, getattr(one, "os_error", None)]


def first_line(error: BaseException) -> str:
    """The text of an error as part of a sentence."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
