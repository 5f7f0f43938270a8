"""The built-in tokenizer has tokens for every text and loads as transformers loads any."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import pdray.models

BUILTIN = Path(pdray.models.__file__).parent / "builtin"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BUILTIN)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_has_tokens_and_comes_back(tokenizer: Any, text: str) -> None:
    wanted = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids).removeprefix(" ") == wanted


@pytest.mark.parametrize("text", ["naïve café", "日本語の猫", "🙂🙃", "кот на окне", "x" * 300])
def test_text_of_other_alphabets_comes_back_unchanged(tokenizer: Any, text: str) -> None:
    assert tokenizer.unk_token_id is None
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids).strip() == text


def test_case_and_spacing_make_no_difference(tokenizer: Any) -> None:
    assert tokenizer("  A Red\tSTAR ")["input_ids"] == tokenizer("a red star")["input_ids"]


def test_every_text_ends_once_and_is_padded_on_the_right(tokenizer: Any) -> None:
    batch = tokenizer(["a red star", "two blue rings in a row"], padding=True)["input_ids"]
    assert all(row.count(tokenizer.eos_token_id) == 1 for row in batch)
    assert all(row[0] == tokenizer.bos_token_id for row in batch)
    assert batch[0][-1] == tokenizer.pad_token_id
    assert batch[1][-1] == tokenizer.eos_token_id


def test_special_tokens_that_someone_types_are_only_words(tokenizer: Any) -> None:
    typed = f"a red {tokenizer.eos_token} star"
    ids = tokenizer(typed)["input_ids"]
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[1:-1]).strip() == typed


def test_a_long_text_is_cut_to_what_the_model_reads(tokenizer: Any) -> None:
    ids = tokenizer("red star " * 200, truncation=True)["input_ids"]
    assert len(ids) == tokenizer.model_max_length
    assert ids[-1] == tokenizer.eos_token_id


def test_words_of_the_scenes_are_one_token_each(tokenizer: Any) -> None:
    for word in ("turquoise", "crescent", "checkered", "triangle", "background"):
        assert len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1
