"""The captioner's model card, with the figures that training has just measured."""

from pathlib import Path

CARD = """---
license: apache-2.0
pipeline_tag: image-to-text
library_name: transformers
---

# The built-in captioner of pdray

A very small model of BLIP's architecture ({edge} × {edge} pixels, {parameters:.1f} million
parameters, {megabytes:.1f} MB). It is here so that a fresh machine without a model hub can describe
the synthetic scenes of `pdray samples`. For your own photographs use a real captioner, such as
Salesforce/blip-image-captioning-base.

## What it says

One sentence of a fixed form: how many things, their colours and shapes, how two of them stand to
each other, and the background:

    a red star left of a blue ring on a striped green and white background
    three yellow hearts on a brown background with pink dots

It does not tell sizes, fills or places, and it says such a sentence of a photograph too, where it
means nothing.

## How it was made

Trained from nothing on {pictures:,} pictures that pdray rendered itself, {steps:,} steps of
{batch}, seed {seed}, in {minutes:.0f} minutes: the captions' cross-entropy and, beside it, what
each patch and the background show, answered by heads that were thrown away. No outside picture,
text or weight was used.

    {command}

## Figures

Measured at the end of that command, on {scenes:,} JPEG scenes of 300 to 1,600 pixels from a random
stream that training never uses, read back from their files, greedy:

| | |
|---|---|
| the whole caption is right, word for word | {exact:.3f} |
| colours named right, of all things | {colours:.3f} |
| shapes named right, of all things | {shapes:.3f} |
| background right | {background:.3f} |

Licence: Apache-2.0, like the rest of pdray.
"""


def write_caption_card(out: Path, figures: dict[str, float], **facts: object) -> None:
    """Writes README.md into `out` from the figures of `evaluate_captioner` and what training was
    given."""
    megabytes = sum(path.stat().st_size for path in out.iterdir() if path.is_file()) / 1e6
    text = CARD.format(**figures, **facts, megabytes=megabytes)
    (out / "README.md").write_text(text, encoding="utf-8")
