"""What a Dockerfile says, as far as ours goes: stages of instructions."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """`words` are everything behind the name, lines joined."""

    name: str
    words: str

    @property
    def copied(self) -> tuple[str | None, list[str], str]:
        """Of a COPY: the stage it takes from, what, and where to."""
        words = shlex.split(self.words)
        stage = None
        if words[0].startswith("--from="):
            stage = words.pop(0).removeprefix("--from=")
        return stage, words[:-1], words[-1]


@dataclass(slots=True)
class Stage:
    """One FROM and what follows."""

    base: str
    name: str
    steps: list[Instruction] = field(default_factory=list)


def stages(path: Path) -> dict[str, Stage]:
    """By name, in order; what stands before the first FROM is left out."""
    found: dict[str, Stage] = {}
    stage: Stage | None = None
    for one in _instructions(path.read_text("utf-8")):
        if one.name == "FROM":
            base, _, name = one.words.partition(" AS ")
            stage = found[name] = Stage(base, name)
        elif stage is not None:
            stage.steps.append(one)
    return found


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        if line.strip():
            name, _, words = line.partition(" ")
            yield Instruction(name, words.strip())
