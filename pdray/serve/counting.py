"""How many images have which values. It blocks."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from urllib.parse import unquote

from pdray.index.filters import Filter
from pdray.search.language import begins, parse
from pdray.search.query import narrowing
from pdray.serve.engine import Engine
from pdray.serve.problems import Problem
from pdray.serve.shapes import FACETS, FacetAnswer, Facets, FacetValue

_VALUES = 200  # of a facet, where no number is asked for
_MOST_SOUGHT = 1_000_000


def facets(
    engine: Engine,
    text: str | None,
    collection: str | None,
    fields: Sequence[str],
    find: str | None = None,
    limit: int = _VALUES,
) -> FacetAnswer:
    """Counts among what fulfils the conditions of a query; its free words don't narrow. With `find`
    only values that have words beginning so.
    """
    name = engine.named(collection)
    where = narrowing(parse(text or ""), engine.towers(name, {}))
    return FacetAnswer(
        collection=name,
        total=engine.index(name).count(name),
        facets=counted(engine, name, where, fields or FACETS, find, limit),
    )


def counted(
    engine: Engine,
    collection: str,
    where: Filter,
    fields: Sequence[str],
    find: str | None = None,
    limit: int = _VALUES,
) -> Facets:
    """The values of fields among what a filter leaves. Raises Problem for what can't be counted."""
    for field_ in fields:
        if field_ not in FACETS:
            known = ", ".join(FACETS)
            raise Problem(400, "bad-facet", f"{field_!r} can't be counted: {known} can.", "facets")
    index, most = engine.index(collection), limit if find is None else _MOST_SOUGHT
    found = {name: index.facet(name, where, limit=most) for name in dict.fromkeys(fields)}
    return {
        name: [
            FacetValue(value=value, count=count)
            for value, count in islice(_sought(values, find), limit)
        ]
        for name, values in found.items()
    }


def _sought(values: Mapping[str, int], find: str | None) -> Iterator[tuple[str, int]]:
    return (one for one in values.items() if find is None or begins(unquote(one[0]), find))
