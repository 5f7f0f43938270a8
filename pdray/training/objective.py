"""What training minimises: symmetric InfoNCE (Radford et al. 2021, "Learning transferable visual
models from natural language supervision") over pairs that are hard negatives of each other; that
short texts have what fits them before all else; and questions about each picture, which teach
texture sooner. The questions' heads are thrown away after training."""

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
        parts = self.heads(features).float().split(QUESTIONS, dim=1)
        losses = [
            functional.cross_entropy(part, truth[:, index], ignore_index=ABSENT, reduction="sum")
            for index, part in enumerate(parts)
        ]
        return torch.stack(losses).sum() / (truth != ABSENT).sum().clamp(min=1)


def contrast_loss(
    pictures: Tensor, words: Tensor, scale: Tensor, also_right: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE of L2-normalised (batch, dim) embeddings, row i of each a pair.

    `also_right[i, j]` (batch, batch) bool marks words i that fit picture j of another row: neither
    right nor wrong, they are left out.
    """
    logits = scale * words @ pictures.T
    if also_right is not None:
        logits = logits.masked_fill(also_right, -1e4)
    target = torch.arange(len(logits), device=logits.device)
    loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    return loss / 2


def finding_loss(pictures: Tensor, words: Tensor, scale: Tensor, fit: Tensor) -> Tensor:
    """How far what fits isn't before what doesn't, both for texts and for pictures.

    `pictures` (batch, dim) and `words` (texts, dim) of length 1, `fit` (texts, batch) bool. Each
    right picture of a text is held against all wrong ones, not against other right ones: InfoNCE
    with several positives (Khosla et al. 2020, "Supervised contrastive learning") less the
    positives in its denominator, which would push them apart.
    """
    scores = scale * words @ pictures.T
    return (_before(scores, fit) + _before(scores.T, fit.T)) / 2


def _before(scores: Tensor, fit: Tensor) -> Tensor:
    wrong = scores.masked_fill(fit, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = functional.softplus(wrong - scores).masked_fill(~fit, 0.0)
    right = fit.sum(dim=1)
    asked = right > 0
    return (losses.sum(dim=1)[asked] / right[asked]).mean() if asked.any() else losses.sum()


def fits(claims: Sequence[frozenset[str]], scenes: Sequence[Scene]) -> Tensor:
    """Which scenes have all that each text claims: (texts, scenes) bool."""
    known = [facts(scene) for scene in scenes]
    return torch.tensor([[claim <= fact for fact in known] for claim in claims])
