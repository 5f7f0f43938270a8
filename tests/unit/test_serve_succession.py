"""One model takes over from another under running queries: no error, and never a mix of both."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.models.random_weights import write_random_clip
from pdray.serve.succession import Succession
from tests.handmade import SPEC
from tests.served import Made, embed
from tests.unit.test_serve_api import API, post
from tests.waiting import until

TEXTS = ("a red circle", "a blue star", "three green hearts", "a striped background")


ONE, TWO = (replace(SPEC, fingerprint=letter * 64) for letter in "12")


def test_the_first_model_of_a_collection_serves_at_once() -> None:
    succession = Succession()
    assert succession.follow({"a": ONE}, lambda _: False) == {"a": ONE}
    assert succession.held == {ONE.space: ONE}


def test_another_model_serves_only_once_it_can_answer_and_the_old_one_stays_for_a_while() -> None:
    now = [0.0]
    succession = Succession(10.0, lambda: now[0])
    succession.follow({"a": ONE, "b": ONE}, lambda _: True)
    moved = {"a": TWO, "b": ONE}
    assert succession.follow(moved, lambda _: False)["a"] == ONE
    assert succession.before("a") is None
    assert succession.follow(moved, lambda _: True) == moved
    assert (succession.before("a"), succession.before("b")) == (ONE, None)
    now[0] = 9.0
    succession.follow({"a": TWO, "b": TWO}, lambda _: True)
    assert set(succession.held) == {ONE.space, TWO.space}
    now[0] = 11.0
    succession.follow({"a": TWO, "b": TWO}, lambda _: True)
    assert (succession.before("a"), succession.before("b")) == (None, ONE)
    now[0] = 20.0
    succession.follow({"a": TWO, "b": TWO}, lambda _: True)
    assert set(succession.held) == {TWO.space}


def test_a_collection_that_is_gone_takes_its_models_along() -> None:
    succession = Succession()
    succession.follow({"a": ONE}, lambda _: True)
    succession.follow({"a": TWO}, lambda _: True)
    assert succession.follow({}, lambda _: True) == {}
    assert succession.held == {}


@pytest.fixture(scope="module")
def other(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose vectors have another length."""
    return write_random_clip(tmp_path_factory.mktemp("other"), architecture="tiny-224")


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


@contextmanager
def asking(ask: Callable[[int], Any]) -> Iterator[list[list[Any]]]:
    """Three threads that ask without a pause; what each was answered, in order."""
    answers: list[list[Any]] = [[] for _ in range(3)]
    ending = threading.Event()

    def run(into: list[Any]) -> None:
        number = 0
        while not ending.is_set():
            into.append((number % len(TEXTS), ask(number % len(TEXTS))))
            number += 1

    threads = [threading.Thread(target=run, args=(into,)) for into in answers]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_queries_during_a_switch_see_no_error_and_one_model_each(
    client: TestClient, made: Made, other: Path
) -> None:
    known = ids(post(client, text=TEXTS[0], limit=1))[0]
    questions = [{"text": text} for text in TEXTS[:-1]] + [{"image_id": known}]

    def ask(number: int) -> list[str]:
        return ids(post(client, **questions[number], limit=20))

    before = [ask(number) for number in range(len(TEXTS))]
    page = post(client, text=TEXTS[1], limit=8)
    catalog = Catalog.open(str(made.workspace))
    with asking(ask) as answers:
        pointer.advance(catalog, "default", embed(made, str(other)))
        until(lambda: ask(1) != before[1], "the new model's answer")
        after = [ask(number) for number in range(len(TEXTS))]
    assert all(a != b for a, b in zip(before, after, strict=True))
    for told in answers:
        states = [(found == before[n], found == after[n]) for n, found in told]
        assert all(any(state) for state in states), "an answer of neither model"
        first = next((at for at, (_, new) in enumerate(states) if new), len(states))
        assert all(new for _, new in states[first:]), "the old model answered after the new one"
    # Who was paging goes on with the model that gave the first page.
    rest = post(client, text=TEXTS[1], limit=8, cursor=page["next_cursor"])
    assert ids(page) + ids(rest) == before[1][:16]
    similar = client.get(f"{API}/images/{known}/similar", params={"limit": 19}).json()
    assert [known, *ids(similar)] == after[-1]


def test_a_model_whose_index_is_not_there_yet_takes_over_when_it_is(
    client: TestClient, made: Made, tmp_path: Path
) -> None:
    """The catalog may point to it before its vectors are in an index: the old one goes on."""
    third = write_random_clip(tmp_path / "third", architecture="tiny", seed=3)
    before = ids(post(client, text=TEXTS[0]))
    spec = embed(made, str(third))
    weights = third / "model.safetensors"
    weights.rename(tmp_path / "away")
    pointer.advance(Catalog.open(str(made.workspace)), "default", spec)
    until(lambda: client.get("/readyz").status_code == 503, "a word of what is missing")
    assert ids(post(client, text=TEXTS[0])) == before
    (tmp_path / "away").rename(weights)
    until(lambda: ids(post(client, text=TEXTS[0])) != before, "the third model's answer")
    assert client.get("/readyz").status_code == 200
