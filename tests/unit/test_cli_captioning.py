"""Captions asked for wrongly: one sentence, and nothing is begun or made."""

from pathlib import Path

import pytest

from tests.command import environment, forked


@pytest.mark.parametrize("more", [(), ("--watch",)])
def test_a_captioner_without_captions_is_no_option_that_does_nothing(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    words = ("index", tmp_path, "-w", tmp_path / "w", "--captioner", "builtin", *more)
    ended = forked(words, environment())
    assert (ended.code, ended.sentence[-15:]) == (2, "add --captions.")
    assert not (tmp_path / "w").exists()


def test_captioning_a_workspace_that_is_none_makes_none(tmp_path: Path) -> None:
    ended = forked(("caption", "-w", tmp_path / "w"), environment())
    assert ended.code == 1
    assert "There is no workspace" in ended.sentence
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("caption", "--beams", "0"), "--captions-beams"),
        (("serve", "--port", "99999"), "--serve-port"),
        (("index", ".", "--watch", "--every", "-1"), "--ingest-watch-seconds"),
    ],
)
def test_a_complaint_names_an_option_that_the_command_takes(
    words: tuple[str, ...], option: str
) -> None:
    assert option in forked(words, environment()).sentence
    assert option in forked((words[0], "--help"), environment()).out
