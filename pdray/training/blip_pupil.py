"""A BLIP that learns to say of a picture what people said of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken
from torch import Tensor
from torch.nn import functional
from transformers import BlipForConditionalGeneration

from pdray.models.resolve import folder_of
from pdray.models.towers import load_tokenizer, quiet
from pdray.records import CaptionerSpec
from pdray.training.pairs import Pairs
from pdray.training.pupil import Mark, Pupil

# Held-out images that are captioned at a look: on a CPU a real BLIP takes a third of a second each.
_SAID = 256
_BATCH = 64
# A word in more pieces than this that came so often becomes one token.
_PIECES, _OFTEN, _MOST = 3, 3, 1000
_LEFT_OUT = -100  # as torch's cross-entropy has it


class BlipPupil(Pupil):
    """Taught by the language model's loss (Li et al. 2022, "BLIP"), judged by it too: mean
    cross-entropy of a token, in nats, of held-out captions.

    Words of `texts` that its tokenizer cuts small get tokens of their own: a caption in another
    language would else be too long for a small model. Adapters leave the words as they are.
    """

    layers = ("qkv", "projection", "fc1", "fc2", "query", "key", "value", "dense")

    def __init__(self, spec: CaptionerSpec, texts: Iterable[str], **options: Any) -> None:
        folder = folder_of(spec)
        with quiet():
            model = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        tokenizer = load_tokenizer(folder)
        self._extended = not options.get("lora") and _learn_words(model, tokenizer, texts)
        self._start = int(model.config.text_config.bos_token_id)
        # The mark of the end is a token too.
        places = int(model.config.text_config.max_position_embeddings)
        self._longest = spec.longest
        self._places = min(places, spec.longest + 1)
        super().__init__(model, tokenizer, folder, spec.preprocessing, **options)

    def loss(self, pairs: Pairs, texts: Sequence[int]) -> Tensor:
        """Mean cross-entropy of a token; over a group the mean of its processes' means."""
        own = self.group.part(texts)
        pixels = pairs.pixels[np.asarray([pairs.of[at] for at in own])]
        return self._lost(pixels, [pairs.texts[at] for at in own]) / self.group.size

    def judge(self, held: Pairs) -> Mark:
        """`loss` over all captions; of the greedy captions of the first 256 images `exact`, the
        part that is one of theirs word for word as the tokenizer writes it, and `words`, how well
        their words agree: the F1 of words (Rajpurkar et al. 2016, SQuAD) with the nearest, its
        mean.
        """
        lost = tokens = 0.0
        with self.judging():
            for at in range(0, len(held.texts), _BATCH):
                pixels = held.pixels[np.asarray(held.of[at : at + _BATCH])]
                some = held.texts[at : at + _BATCH]
                count = self._count(some)
                lost += float(self._lost(pixels, some)) * count
                tokens += count
            said = self._say(held.pixels[:_SAID])
        right: list[set[str]] = [set() for _ in said]
        for text, image in zip(held.texts, held.of, strict=True):
            if image < len(said):
                right[image].add(self._written(self._tokens([text])["input_ids"])[0])
        pairs = list(zip(said, right, strict=True))
        exact = float(np.mean([one in texts for one, texts in pairs]))
        words = float(np.mean([max(map(partial(_agree, one), texts)) for one, texts in pairs]))
        return Mark(-lost / tokens, {"loss": lost / tokens, "exact": exact, "words": words})

    def save(self, out: Path) -> None:
        """The same, with its new words."""
        super().save(out)
        if self._extended:
            self.tokenizer.save_pretrained(out)

    def _lost(self, pixels: NDArray[np.uint8], texts: Sequence[str]) -> Tensor:
        tokens = self._tokens(texts)
        ids, seen = tokens["input_ids"], tokens["attention_mask"]
        ids[:, 0] = self._start
        target = ids[:, 1:].masked_fill(seen[:, 1:] == 0, _LEFT_OUT)
        with self.precision():
            logits = self.model(
                pixel_values=self.values(pixels),
                input_ids=ids[:, :-1],
                attention_mask=seen[:, :-1],
            ).logits
        return functional.cross_entropy(
            logits.float().flatten(0, 1), target.flatten(), ignore_index=_LEFT_OUT
        )

    def _count(self, texts: Sequence[str]) -> int:
        """Tokens of these texts that are to be told, the mark of the end among them."""
        return int(self._tokens(texts)["attention_mask"][:, 1:].sum())

    def _tokens(self, texts: Sequence[str]) -> Any:
        return self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._places,
            return_tensors="pt",
        ).to(self.device)

    def _say(self, pixels: NDArray[np.uint8]) -> list[str]:
        said: list[str] = []
        for at in range(0, len(pixels), _BATCH):
            ids = self.model.generate(
                pixel_values=self.values(pixels[at : at + _BATCH]),
                num_beams=1,
                do_sample=False,
                max_new_tokens=self._longest,
            )
            said += self._written(ids)
        return said

    def _written(self, ids: Tensor) -> list[str]:
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def _agree(one: str, other: str) -> float:
    """F1 of the words that two texts share, whatever their order."""
    first, second = Counter(one.split()), Counter(other.split())
    shared = (first & second).total()
    return 2 * shared / (first.total() + second.total()) if shared else 0.0


def _learn_words(model: Any, tokenizer: Any, texts: Iterable[str]) -> bool:
    """Gives frequent words that fall into many pieces tokens of their own; whether there are
    any."""
    writing = tokenizer.backend_tokenizer
    counts: Counter[str] = Counter()
    for text in texts:
        plain = writing.normalizer.normalize_str(text) if writing.normalizer else text
        counts.update(word for word, _ in writing.pre_tokenizer.pre_tokenize_str(plain))
    words = [
        word
        for word, count in counts.most_common()
        if count >= _OFTEN and word.isalpha() and len(tokenizer.tokenize(word)) > _PIECES
    ][:_MOST]
    if not words:
        return False
    # BLIP's marks of start lie beyond its tokenizer's own words: what is new must not become one.
    size = int(model.config.text_config.vocab_size)
    tokenizer.add_tokens([f"[unused-{at}]" for at in range(len(tokenizer), size)], True)
    tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=True) for word in words])
    with quiet():
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return True
