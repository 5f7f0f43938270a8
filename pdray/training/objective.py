"""What training minimises: symmetric InfoNCE (Radford et al. 2021, "Learning transferable visual
models from natural language supervision") over pairs that are hard negatives of each other, and
questions about each picture, which teach shape and texture sooner. The questions' heads are thrown
away after training."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdray.samples.captions import facts
from pdray.samples.scene import COLOURS, FILLS, GROUNDS, PLACES, RELATIONS, SHAPES, SIZES, Scene

ABSENT = -1
THINGS = 3
LINES_AND_ALL = (*PLACES, "row", "column", *RELATIONS)
# Answers to each question: of the background, the whole, then of each thing in reading order.
GROUND_QUESTIONS = (len(GROUNDS), len(COLOURS), len(COLOURS), len(LINES_AND_ALL), 5)
THING_QUESTIONS = (len(SHAPES), len(COLOURS), len(FILLS), len(SIZES))
QUESTIONS = GROUND_QUESTIONS + THING_QUESTIONS * THINGS


def answers(scene: Scene) -> tuple[int, ...]:
    """The class of each of QUESTIONS, ABSENT where it does not arise."""
    colours = tuple(COLOURS)
    ground = scene.ground
    found = [
        GROUNDS.index(ground.kind),
        colours.index(ground.first),
        colours.index(ground.second) if ground.second else ABSENT,
        LINES_AND_ALL.index(scene.place),
        scene.count,
    ]
    for index in range(THINGS):
        if index >= len(scene.things):
            found += [ABSENT] * len(THING_QUESTIONS)
            continue
        thing = scene.things[index]
        found += [
            SHAPES.index(thing.shape),
            colours.index(thing.colour),
            FILLS.index(thing.fill),
            SIZES.index(thing.size) if thing.size else ABSENT,
        ]
    return tuple(found)


class Questions(nn.Module):
    """A linear answer to every question from a picture's pooled features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.Linear(width, sum(QUESTIONS))

    def forward(self, features: Tensor, truth: Tensor) -> Tensor:
        """Mean cross-entropy. features (batch, width), truth (batch, questions) with ABSENT."""
        parts = self.heads(features).split(QUESTIONS, dim=1)
        losses = [
            functional.cross_entropy(part, truth[:, index], ignore_index=ABSENT, reduction="sum")
            for index, part in enumerate(parts)
        ]
        return torch.stack(losses).sum() / (truth != ABSENT).sum().clamp(min=1)


def contrast_loss(pictures: Tensor, words: Tensor, scale: Tensor, also_true: Tensor) -> Tensor:
    """Symmetric InfoNCE of L2-normalised (batch, dim) embeddings.

    `also_true[i, j]` marks words i that fit picture j of another row: neither right nor wrong, they
    are left out.
    """
    logits = (scale * words @ pictures.T).masked_fill(also_true, -1e4)
    target = torch.arange(len(logits))
    loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    return loss / 2


def truths(claims: Sequence[frozenset[str] | None], scenes: Sequence[Scene]) -> Tensor:
    """The `also_true` of `contrast_loss`; a claim of None, a full caption, fits its own only."""
    known = [facts(scene) for scene in scenes]
    also = torch.zeros(len(claims), len(scenes), dtype=torch.bool)
    for row, claim in enumerate(claims):
        if claim is None:
            continue
        for column, fact in enumerate(known):
            if row != column and claim <= fact:
                also[row, column] = True
    return also
