"""Which files of a model folder matter, in the layout that transformers writes. No torch here."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from pdray.errors import ModelUnavailable

CONFIG = "config.json"
# Newer transformers nests the image processor in the first, and prefers it where both exist.
PROCESSORS = ("processor_config.json", "preprocessor_config.json")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
VOCABULARIES = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
SAFE_WEIGHTS = "model.safetensors"
SAFE_INDEX = "model.safetensors.index.json"
# Several first-generation hub models have nothing else. transformers reads it with weights_only,
# which builds tensors and runs no code.
LEGACY_WEIGHTS = "pytorch_model.bin"


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file; ModelUnavailable where it holds none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The model file {path} can't be read ({error}): fetch the model again."
        ) from error
    if not isinstance(document, dict):
        raise ModelUnavailable(f"The model file {path} holds no JSON object: fetch it again.")
    return cast(dict[str, object], document)


def check(folder: Path) -> None:
    """Raises ModelUnavailable with what is missing where the folder can't be loaded."""
    if not (folder / CONFIG).is_file():
        raise ModelUnavailable(
            f"The folder {folder} has no config.json: give the folder of a CLIP or SigLIP model "
            "as transformers saves it."
        )
    if not any((folder / name).is_file() for name in PROCESSORS):
        raise ModelUnavailable(
            f"The model folder {folder} has no preprocessor_config.json: copy it from the model."
        )
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise ModelUnavailable(
            f"The model folder {folder} has no tokenizer (tokenizer.json, vocab.json, vocab.txt or "
            "spiece.model): copy it from the model."
        )
    weights(folder)


def weights(folder: Path) -> list[Path]:
    """The weight files that transformers loads, sorted; ModelUnavailable where one is missing."""
    if (folder / SAFE_WEIGHTS).is_file():
        return [folder / SAFE_WEIGHTS]
    if (folder / SAFE_INDEX).is_file():
        parts = [folder / name for name in _shards(folder / SAFE_INDEX)]
        for part in parts:
            if not part.is_file():
                raise ModelUnavailable(
                    f"The model folder {folder} lacks {part.name}: fetch the model again."
                )
        return parts
    if (folder / LEGACY_WEIGHTS).is_file():
        return [folder / LEGACY_WEIGHTS]
    raise ModelUnavailable(
        f"The model folder {folder} has no weights in safetensors (model.safetensors): save the "
        "model with transformers' save_pretrained, or use another."
    )


def wanted(names: Iterable[str]) -> list[str]:
    """Of a hub repository's files, those worth fetching: one set of weights, no other formats."""
    listed = set(names)
    keep = [name for name in (CONFIG, *PROCESSORS, *TOKENIZER) if name in listed]
    if SAFE_WEIGHTS in listed:
        keep.append(SAFE_WEIGHTS)
    elif SAFE_INDEX in listed:
        keep.append(SAFE_INDEX)
        keep += sorted(n for n in listed if n.startswith("model-") and n.endswith(".safetensors"))
    elif LEGACY_WEIGHTS in listed:
        keep.append(LEGACY_WEIGHTS)
    return keep


def _shards(index: Path) -> list[str]:
    table = read_json(index).get("weight_map")
    names = set(table.values()) if isinstance(table, Mapping) else set()
    # A name with a path in it would read outside the folder.
    if not names or any(not isinstance(n, str) or Path(n).name != n for n in names):
        raise ModelUnavailable(f"The weight index {index} names no usable files: fetch it again.")
    return sorted(names)
