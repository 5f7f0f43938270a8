"""One short text for a set of weights and the files that give them meaning, whatever their name."""

import hashlib
from pathlib import Path

from pdray.models import layout

_WHOLE = 16 << 20  # bytes up to which a weight file is read whole
_HEAD = 1 << 20
_SLICES = 256
_SLICE = 16 << 10


def fingerprint(folder: Path) -> str:
    """32 hex digits over config, image processor, tokenizer and weights of a complete model folder.

    File names count, the folder's name does not: a model has one fingerprint wherever it lies.
    """
    digest = hashlib.sha256(b"pdray-model-1")
    small = [layout.CONFIG, *layout.PROCESSORS, *_tokenizer_files(folder)]
    for path in [folder / name for name in small]:
        if path.is_file():
            _add(digest, path.name, path.read_bytes())
    for path in layout.weights(folder):
        _add(digest, path.name, _sample(path))
    return digest.hexdigest()[:32]


def _tokenizer_files(folder: Path) -> tuple[str, ...]:
    # tokenizer.json says all that the older files say, and a cache filled by another program may
    # lack those: counting them would make two models of one.
    if (folder / "tokenizer.json").is_file():
        return ("tokenizer.json", "tokenizer_config.json")
    return layout.TOKENIZER


def _add(digest: "hashlib._Hash", name: str, content: bytes) -> None:
    digest.update(f"\n{name}\n{len(content)}\n".encode())
    digest.update(content)


def _sample(path: Path) -> bytes:
    """Size, first and last MiB, and slices between them.

    Every command that touches the index computes this, and reading gigabytes whole would take
    seconds. Head and tail alone would not do: fine-tuning often leaves embeddings and projections
    as they were, so slices are taken all along the file, closer than one layer to the next.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            return file.read()
        pieces = [str(size).encode(), file.read(_HEAD)]
        step = (size - 2 * _HEAD) // _SLICES
        for number in range(_SLICES):
            file.seek(_HEAD + number * step)
            pieces.append(file.read(_SLICE))
        file.seek(size - _HEAD)
        pieces.append(file.read(_HEAD))
    return b"".join(pieces)
