"""The values that a field has, and which of them some words name."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cached_property


class Vocabulary(Mapping[str, int]):
    """Values with their counts, most first. What is worked out of them is worked out once, so that
    a query costs the same among a hundred thousand tags as among ten.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = dict(counts)

    def __getitem__(self, value: str) -> int:
        return self._counts[value]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    @cached_property
    def by_words(self) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """Values by their folded words; those that have none are left out."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        for value in self._counts:
            if words := tuple(folded(value)):
                found[words] = (*found.get(words, ()), value)
        return found

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.by_words), default=0)

    def named(self, words: list[str]) -> tuple[str, ...]:
        """The values that folded words name whole, in their order, each once."""
        ends = range(1, self._longest + 1)
        spans = [tuple(words[at : at + n]) for at in range(len(words)) for n in ends]
        return tuple(
            dict.fromkeys(value for span in spans for value in self.by_words.get(span, ()))
        )


def folded(text: str) -> list[str]:
    """Words without case and accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))
