"""Folders as the page browses them: a level at a time, or by name among all. It blocks.

The index counts every folder at once, whichever are asked for: so the tree is built once for each
state of the index, and kept for the levels that are asked for next.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import unquote

from pdray.index.filters import Filter
from pdray.search.language import begins, parse
from pdray.search.query import narrowing
from pdray.serve import cursor as cursors
from pdray.serve.engine import Engine
from pdray.serve.shapes import Folder, Folders

_MOST = 1_000_000
_KEPT = 4  # trees


class Tree:
    """Folders with their images, each counted with what is below it."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = counts
        self._inside: dict[str, list[str]] = {}
        self._sorted: set[str] = set()
        for folder in counts:
            parent = folder.rpartition("/")[0]
            self._inside.setdefault(parent if parent in counts else "", []).append(folder)
        self._inside[""] = [self._first_fork(root) for root in self._inside.get("", ())]

    def level(self, folder: str) -> list[str]:
        """The folders directly in one, by name; in "" are the roots."""
        some = self._inside.get(folder, [])
        if some and folder not in self._sorted:
            some = self._inside[folder] = sorted(some, key=_by_name)
            self._sorted.add(folder)
        return some

    def shown(self, folder: str) -> Folder:
        """One folder as it is answered."""
        inside = len(self._inside.get(folder, ()))
        count = self.counts[folder]
        return Folder(folder=folder, name=name_of(folder), count=count, folders=inside)

    def _first_fork(self, folder: str) -> str:
        """The folder below a root up to which each only leads to the next."""
        while len(some := self._inside.get(folder, [])) == 1:
            if self.counts[some[0]] < self.counts[folder]:
                break
            folder = some[0]
        return folder


def name_of(folder: str) -> str:
    """The last name of a folder's address, as people write it."""
    return unquote(folder.rstrip("/").rpartition("/")[2]) or unquote(folder)


def _by_name(folder: str) -> tuple[list[tuple[int, str]], str]:
    """In the order that people expect: 2 before 10, whatever the case."""
    parts = re.findall(r"\d+|\D+", name_of(folder).casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], folder


class Forest:
    """The trees of one server's last questions. Any thread may ask."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._trees: OrderedDict[tuple[str, Filter], Tree] = OrderedDict()
        self._turn = threading.Lock()

    def tree(self, engine: Engine, collection: str, where: Filter) -> Tree:
        """The folders of what a filter leaves."""
        now, key = engine.version, (collection, where)
        with self._turn:
            if now != self._version or now is None:
                self._trees.clear()
                self._version = now
            known = self._trees.get(key)
        if known is None:
            known = Tree(engine.index(collection).facet("folders", where, limit=_MOST))
            with self._turn:
                if now is not None and now == self._version:
                    self._trees[key] = known
                    while len(self._trees) > _KEPT:
                        self._trees.popitem(last=False)
        return known

    def folders(
        self,
        engine: Engine,
        text: str | None,
        collection: str | None,
        within: str | None,
        find: str | None,
        limit: int,
        cursor: str | None,
    ) -> Folders:
        """One page of a level, by name; or of those whose name says what is sought, by count."""
        name = engine.named(collection)
        tree = self.tree(engine, name, narrowing(parse(text or ""), engine.towers(name, {})))
        if find is None:
            some = tree.level((within or "").rstrip("/"))
        else:
            below = f"{within.rstrip('/')}/" if within else ""
            some = [
                one for one in tree.counts if one.startswith(below) and begins(name_of(one), find)
            ]
        question = cursors.digest("folders", name, text, within, find)
        start = cursors.read(cursor, question, {"start": int})["start"] if cursor else 0
        shown, end = some[start : start + limit], start + limit
        return Folders(
            collection=name,
            folders=[tree.shown(one) for one in shown],
            total=len(some),
            next_cursor=cursors.write(question, start=end) if end < len(some) else None,
        )
