"""A CLIP or MetaCLIP 2 that learns which text is of which picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdray.evaluation.metrics import alike, ranks
from pdray.models.precision import choose_device
from pdray.models.resolve import folder_of
from pdray.models.towers import family_of, load_tokenizer, quiet
from pdray.records import ModelSpec
from pdray.training.objective import contrast_loss
from pdray.training.pairs import Pairs
from pdray.training.pupil import Mark, Pupil


class ClipPupil(Pupil):
    """Contrastive, as it was trained (Radford et al. 2021). Judged by R@1, text to image."""

    layers = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")

    def __init__(self, spec: ModelSpec, **options: Any) -> None:
        folder = folder_of(spec)
        with quiet():
            model = family_of(spec.model_type).from_pretrained(folder, dtype=torch.float32)
        if choose_device(options.get("device", "auto")) == "cpu":
            model.set_attn_implementation("eager")  # as in builtin.py
        super().__init__(model, load_tokenizer(folder), folder, spec.preprocessing, **options)

    def loss(self, pairs: Pairs, texts: Sequence[int]) -> Tensor:
        """InfoNCE; texts that fit another's picture too are neither right nor wrong there."""
        own, group = self.group.part(texts), self.group
        pixels = pairs.pixels[np.asarray([pairs.of[at] for at in own])]
        with self.precision():
            pictures = group.whole(self._pictures(pixels))
            words = group.whole(self._words([pairs.texts[at] for at in own]))
        scale = self.model.logit_scale.exp().clamp(max=100.0)
        # Every process has all of its gradient, and they are added up.
        scale = scale / group.size + (scale - scale / group.size).detach()
        also = torch.from_numpy(pairs.also_right(texts)).to(self.device)
        return contrast_loss(pictures, words, scale, also)

    def judge(self, held: Pairs) -> Mark:
        """R@1: the part of the texts that have their picture before all others."""
        with self.judging():
            pictures = [
                self._pictures(held.pixels[at : at + 128]).cpu().numpy()
                for at in range(0, len(held.pixels), 128)
            ]
            words = [
                self._words(held.texts[at : at + 128]).cpu().numpy()
                for at in range(0, len(held.texts), 128)
            ]
        right = [sorted({held.of[at] for at in same}) for same in alike(held.texts)]
        found = ranks(np.concatenate(words), np.concatenate(pictures), right)
        first = float(np.mean([row[0] == 0 for row in found]))
        return Mark(first, {"r1": first})

    def _pictures(self, pixels: NDArray[np.uint8]) -> Tensor:
        features = self.model.get_image_features(pixel_values=self.values(pixels)).pooler_output
        return functional.normalize(features.float(), dim=-1)

    def _words(self, texts: Sequence[str]) -> Tensor:
        longest = int(self.model.config.text_config.max_position_embeddings)
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)
        features = self.model.get_text_features(**tokens).pooler_output
        return functional.normalize(features.float(), dim=-1)
