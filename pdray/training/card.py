"""The model card that training writes beside the model, with the figures it has just measured."""

from pathlib import Path

# Accuracy over minimal pairs from which on the card calls an attribute known; chance is 0.5.
SURE = 0.8

CARD = """---
license: apache-2.0
pipeline_tag: zero-shot-image-classification
library_name: transformers
---

# The built-in model of pdray

A very small model of CLIP's architecture (80 × 80 pixels, {parameters:.1f} million parameters,
{dim} dimensions). It is here so that a fresh machine without a model hub can index the synthetic
scenes of `pdray samples` and really search them. For your own photographs use a real CLIP.

## What it can do

Tell apart rendered scenes of one to four flat objects on a simple background, by words it knows:

- shapes: circle, square, triangle, star, ring, cross, heart, diamond, crescent, arrow;
- colours: red, orange, yellow, green, turquoise, blue, purple, pink, brown, black, grey, white;
- fills: plain, striped, dotted, checkered; sizes: small, large;
- numbers from two to four, in a row or in a column;
- places (centre, left, right, top, bottom, the corners) and relations (left of, right of, above,
  below, inside);
- backgrounds: one colour, a gradient, stripes, dots, checks.

It was taught whole descriptions ("a large striped red star to the left of a small blue ring on a
white background") and short ones ("a red star", "three hearts"). {unsure}

## What it can't do

- More than the figures below say: a whole description is found by all its parts together, so it
  works better than a query for one part alone.
- Photographs: it has never seen one. On them it answers by rough colour and brightness at best, and
  its order of hits means nothing.
- Words outside of the list above: every word has tokens, so none is an error, but the model has no
  idea what other words mean. It knows English only, and no names, no text in pictures, no people.
- Negation ("without", "not"), comparison, and numbers above four.

## How it was made

Trained on {pictures:,} pictures that pdray rendered itself (`pdray.samples`), each with new
captions at every step: half of them random scenes, half the same scenes with one attribute changed.
The image tower starts from that of the built-in captioner, which was trained on such scenes too;
all else starts from nothing. {steps:,} steps of {batch} pictures with a whole description each and
{texts} short texts, seed {seed}, {minutes:.0f} minutes. Whole descriptions: symmetric InfoNCE with
a learnt temperature. Short ones: each picture that a text fits comes before all that it doesn't
fit, and the other way round. Beside them, classification of each scene's attributes by heads that
were thrown away. No outside picture, text or weight was used. The tokenizer is byte-level BPE over
the captions and a few English sentences.

    {command}

(A run limited by minutes takes as many steps as the machine manages, so it can't be repeated
exactly; one limited by steps can, on the same machine with the same number of threads.)

## Figures

Measured at the end of that command, on {scenes:,} JPEG scenes of 300 to 1,600 pixels drawn from a
random stream that training never uses, read back from their files:

| | |
|---|---|
| full caption finds its scene first (R@1) | {recall_at_1:.3f} |
| among the first ten (R@10) | {recall_at_10:.3f} |

Short queries: precision among the first ten, over all queries that at least ten of those scenes
fit:

| | |
|---|---|
| all of them | {short_precision_at_10:.3f} |
| colour and shape ("a red star") | {short_colour:.3f} |
| fill and shape ("a striped star") | {short_fill:.3f} |
| number and shape ("three stars") | {short_count:.3f} |
| background ("a striped background") | {short_background:.3f} |

Minimal pairs: how often a picture is nearer to its own caption than to that of a scene that differs
in one attribute alone ({count} pairs each, chance 0.5):

| attribute | accuracy |
|---|---|
{pairs}

"order" swaps two things, "binding" swaps their colours.

Licence: Apache-2.0, like the rest of pdray.
"""


def write_card(
    out: Path,
    figures: dict[str, float],
    *,
    command: str,
    seed: int,
    pictures: int,
    batch: int,
    texts: int,
    minutes: float,
    scenes: int,
    parameters: int,
    dim: int,
    pairs: int,
) -> None:
    """Writes README.md into `out` from the figures of `evaluate` and what training was given."""
    table = "\n".join(
        f"| {name.removeprefix('pair_')} | {value:.3f} |"
        for name, value in figures.items()
        if name.startswith("pair_")
    )
    text = CARD.format(
        unsure=_unsure(figures),
        pairs=table,
        count=pairs,
        command=command,
        seed=seed,
        pictures=pictures,
        batch=batch,
        texts=texts,
        minutes=minutes,
        dim=dim,
        scenes=scenes,
        parameters=parameters / 1e6,
        steps=int(figures["steps"]),
        recall_at_1=figures["recall_at_1"],
        recall_at_10=figures["recall_at_10"],
        **{name: value for name, value in figures.items() if name.startswith("short_")},
    )
    (out / "README.md").write_text(text, encoding="utf-8")


def _unsure(figures: dict[str, float]) -> str:
    """A sentence on the attributes that it tells apart in fewer than four pairs of five."""
    weak = [
        name.removeprefix("pair_")
        for name, value in figures.items()
        if name.startswith("pair_") and value < SURE
    ]
    if not weak:
        return "It is sure of all of them."
    return f"It is\n**not yet sure of: {', '.join(weak)}** (see the minimal pairs below)."
