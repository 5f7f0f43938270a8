"""What the search box proposes. It blocks."""

from dataclasses import asdict

from pdray.search.completion import complete
from pdray.serve.engine import Engine
from pdray.serve.shapes import Completion, Suggestions


def suggest(engine: Engine, text: str, collection: str | None, limit: int) -> Suggestions:
    """Completions from what the collection holds."""
    name = engine.named(collection)
    found = complete(text, lambda field: engine.values(name, field), limit)
    return Suggestions(collection=name, completions=[Completion(**asdict(one)) for one in found])
