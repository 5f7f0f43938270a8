"""Whose an unfinished training in a folder is: only the same call may go on with it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pdray.errors import UsageError
from pdray.evaluation.reading import Captioned
from pdray.records import CaptionerSpec, ModelSpec

MARK = "training.of"


def identity(
    spec: ModelSpec | CaptionerSpec,
    said: Sequence[Captioned | None],
    seed: int,
    settings: dict[str, Any],
) -> str:
    """What a call must share with an earlier one to go on with its pictures and checkpoint. How
    long it trains is not part of it.
    """
    pairs = [
        [[str(path.resolve()) for path in one.images], one.texts, one.of] if one else None
        for one in said
    ]
    words = json.dumps([spec.fingerprint, pairs, seed, settings])
    return hashlib.sha256(words.encode()).hexdigest()


def claim(out: Path, whose: str) -> None:
    """Takes a new or empty folder, or one that a call of the identity `whose` left unfinished.

    UsageError for any other.
    """
    out.mkdir(parents=True, exist_ok=True)
    mark = out / MARK
    if not mark.exists():
        if any(out.iterdir()):
            raise UsageError(f"{out} isn't empty: name a new folder for the new model.")
        mark.write_text(whose, "utf-8")
    elif mark.read_text("utf-8") != whose:
        raise UsageError(
            f"{out} holds an unfinished training of other captions, model or settings: go on with "
            "the command that began it, or name another folder."
        )
