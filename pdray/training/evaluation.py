"""How well a model's folder finds scenes that it never saw, measured on JPEG files read back."""

import json
import random
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional
from transformers import AutoTokenizer, CLIPModel

from pdray.samples.captions import NUMBERS, facts, full_caption, plural, with_article
from pdray.samples.collection import write_collection
from pdray.samples.drawing import render
from pdray.samples.scene import COLOURS, FILLS, GROUNDS, SHAPES, Scene, scenes
from pdray.samples.variation import VARIATIONS, vary
from pdray.training.network import EDGE
from pdray.training.pictures import Pixels, fit

Vectors = NDArray[np.float32]

# Seeds of evaluation; collections share no random stream with training.
SEED = 20_260_101
# A short query counts where this many scenes fit it: fewer can't fill the first ten.
FIRST = 10


class Encoder:
    """Both towers of a model's folder; embeddings are (count, dim) float32 of length 1."""

    def __init__(self, folder: Path) -> None:
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.inference_mode()
    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embeds uint8 pictures of (edge, edge, 3)."""
        batches = []
        for start in range(0, len(pixels), 128):
            stack = torch.from_numpy(np.stack(pixels[start : start + 128]))
            batch = stack.permute(0, 3, 1, 2).float() / 127.5 - 1.0
            features = self.model.get_image_features(pixel_values=batch).pooler_output
            batches.append(functional.normalize(features, dim=-1).numpy())
        return np.concatenate(batches)

    @torch.inference_mode()
    def words(self, texts: Sequence[str]) -> Vectors:
        """Embeds texts."""
        batches = []
        for start in range(0, len(texts), 256):
            part = list(texts[start : start + 256])
            tokens = self.tokenizer(part, padding=True, truncation=True, return_tensors="pt")
            features = self.model.get_text_features(**tokens).pooler_output
            batches.append(functional.normalize(features, dim=-1).numpy())
        return np.concatenate(batches)


def evaluate(
    folder: Path, count: int = 1000, seed: int = SEED, *, pairs: int = 300
) -> dict[str, float]:
    """Figures from 0 to 1 of the model in `folder`.

    `recall_at_1` and `recall_at_10`: full captions over `count` JPEG scenes of `seed`;
    `short_precision_at_10` and `short_<kind>`: those of `short_precision` over the same;
    `pair_<attribute>`: how often a picture is nearer to its caption than to that of a scene that
    differs in this alone, over `pairs` pictures.
    """
    encoder = Encoder(folder)
    with tempfile.TemporaryDirectory() as scratch:
        write_collection(Path(scratch), count, seed)
        figures = _retrieval(encoder, Path(scratch), list(islice(scenes(seed), count)))
    return figures | minimal_pairs(encoder, seed, pairs)


def recall(words: Vectors, pictures: Vectors, at: int) -> float:
    """How often row i of `pictures` is among the `at` nearest of row i of `words`."""
    scores = words @ pictures.T
    better = (scores > np.diagonal(scores)[:, None]).sum(axis=1)
    return float((better < at).mean())


def _retrieval(encoder: Encoder, folder: Path, shown: list[Scene]) -> dict[str, float]:
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    pixels = []
    for row in rows:
        with Image.open(folder / row["file"]) as image:
            pixels.append(fit(image, EDGE))
    pictures = encoder.pictures(pixels)
    words = encoder.words([row["caption"] for row in rows])
    return {
        "recall_at_1": recall(words, pictures, 1),
        "recall_at_10": recall(words, pictures, 10),
    } | short_precision(encoder, pictures, shown)


def short_queries() -> dict[str, dict[str, str]]:
    """Texts that name a part, by kind: of each, what a scene must have among its `facts`."""
    return {
        "colour": {
            with_article(f"{c} {shape}"): f"{c} {shape}" for c in COLOURS for shape in SHAPES
        },
        "fill": {
            with_article(f"{fill} {shape}"): f"{fill} {shape}" for fill in FILLS for shape in SHAPES
        },
        "count": {
            f"{word} {plural(shape)}": f"{number} {shape}"
            for number, word in NUMBERS.items()
            for shape in SHAPES
        },
        "background": {
            with_article(f"{'fading' if kind == 'gradient' else kind} background"): f"ground {kind}"
            for kind in GROUNDS
        },
    }


def short_precision(
    encoder: Encoder, pictures: Vectors, shown: Sequence[Scene]
) -> dict[str, float]:
    """Precision among the first ten of `short_queries` that at least ten scenes fit: mean of all
    (`short_precision_at_10`) and of each kind (`short_<kind>`); 0 where none is asked."""
    known = [facts(scene) for scene in shown]
    figures, every = {}, []
    for kind, queries in short_queries().items():
        fit = np.array([[fact in of for of in known] for fact in queries.values()])
        asked = np.flatnonzero(fit.sum(axis=1) >= FIRST)
        found = [0.0]
        if len(asked):
            texts = [list(queries)[index] for index in asked]
            first = np.argsort(-(encoder.words(texts) @ pictures.T), axis=1)[:, :FIRST]
            found = list(np.take_along_axis(fit[asked], first, axis=1).mean(axis=1))
            every += found
        figures[f"short_{kind}"] = float(np.mean(found))
    return {"short_precision_at_10": float(np.mean(every or [0.0])), **figures}


def minimal_pairs(encoder: Encoder, seed: int, count: int) -> dict[str, float]:
    """Accuracy for each attribute of VARIATIONS over `count` scenes; chance is 0.5."""
    figures = {}
    for attribute in VARIATIONS:
        rng = random.Random(f"pairs:{attribute}:{seed}")
        pixels, right, wrong = [], [], []
        for scene in scenes(seed, f"pairs:{attribute}"):
            other = vary(scene, attribute, rng)
            if other is None:
                continue
            # The same dice for both captions, so that they differ in the attribute alone.
            dice = rng.getrandbits(32)
            right.append(full_caption(scene, random.Random(dice)))
            wrong.append(full_caption(other, random.Random(dice)))
            pixels.append(fit(render(scene, (224, 224)), EDGE))
            if len(pixels) == count:
                break
        pictures = encoder.pictures(pixels)
        nearer = (pictures * encoder.words(right)).sum(1) > (pictures * encoder.words(wrong)).sum(1)
        figures[f"pair_{attribute}"] = float(nearer.mean())
    return figures
