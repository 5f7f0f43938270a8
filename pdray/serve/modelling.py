"""Models for the API: what serves, what is known, which number formats this machine has."""

import functools

from pdray.config import DEFAULT_MODEL
from pdray.errors import PdrayError
from pdray.models.inventory import cached_names, known
from pdray.models.resolve import BUILTIN
from pdray.serve.collection_shapes import ModelDocument, Models, PrecisionDocument
from pdray.serve.engine import Engine

_FORMATS = ("fp32", "bf16", "fp16", "int8", "nf4")


def models(engine: Engine) -> Models:
    """All of it. It blocks: the first time it measures for 0.2 s."""
    settings = engine.settings
    serving: dict[str, list[str]] = {}
    for collection, spec in engine.collections().items():
        serving.setdefault(spec.name, []).append(collection)
    default = settings.model or DEFAULT_MODEL
    names = dict.fromkeys([*serving, default, BUILTIN, *cached_names()])
    device, precisions = _precisions(settings.device)
    return Models(
        models=[_document(name, serving.get(name, []), default) for name in names],
        precisions=list(precisions),
        device=device,
    )


def _document(name: str, collections: list[str], default: str) -> ModelDocument:
    found = known(name)
    return ModelDocument(
        name=name,
        here=found.spec is not None,
        reason=found.reason,
        default=name == default,
        dim=found.spec.dim if found.spec else None,
        type=found.spec.model_type if found.spec else None,
        parameters=found.parameters,
        weights=dict(found.weights),
        collections=sorted(collections),
    )


@functools.cache
def _precisions(device: str) -> tuple[str, tuple[PrecisionDocument, ...]]:
    from pdray.models.precision import choose, choose_device

    where = choose_device(device)
    auto = choose(device, "auto")
    found = []
    for name in _FORMATS:
        try:
            choice = choose(device, name)
            chosen = name == auto.precision
            why = auto.why if chosen else _WORDS.get((name, where), choice.why)
            found.append(PrecisionDocument(name=name, available=True, chosen=chosen, why=why))
        except PdrayError as error:
            found.append(PrecisionDocument(name=name, available=False, why=str(error)))
    return where, tuple(found)


_WORDS = {
    ("fp32", "cpu"): "exact, and twice the memory of bf16",
    ("bf16", "cpu"): "half the memory; slower than fp32 where the CPU lacks the instructions",
    ("fp16", "cpu"): "half the memory, and slower than fp32 on CPUs",
    (
        "int8",
        "cpu",
    ): "the image tower in 8 bits: the fastest on CPUs, cosine to fp32 0.9996",
    ("int8", "cuda"): "half the memory of bf16, and slower",
    ("nf4", "cpu"): "a quarter of the memory of bf16, and slower",
    ("nf4", "cuda"): "a quarter of the memory of bf16, and slower",
}
