"""Questions that are answered together: each as alone, and none for another's fault."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.errors import IndexUnavailable
from pdray.index.protocol import Found, Wanted
from pdray.ingest.target import index_target
from pdray.models.resolve import resolve
from pdray.serve.asking import answer_many, answer_together, is_light
from pdray.serve.benchmark import StubIndexes
from pdray.serve.engine import Engine
from pdray.serve.problems import ProblemDocument, problem_of
from pdray.serve.shapes import Answer, SearchRequest
from tests.served import Made, copied, settings_of
from tests.unit.test_serve_api import API, post


def test_questions_that_come_at_once_are_answered_as_each_alone(
    client: TestClient, made: Made
) -> None:
    asked: list[dict[str, Any]] = [
        {"text": "a red circle"},
        {"text": "blue -square", "limit": 3},
        {"text": "iso:>=100"},
        {"text": "green", "filters": {"tags": ["nothing has this"]}},
    ]
    wrong = {"text": "iso:many"}
    alone = [post(client, **one) for one in asked]
    refused = client.post(f"{API}/search", json=wrong)
    questions = [SearchRequest(**one) for one in (*asked, wrong, *asked)]
    engine = client.app.state.engine  # type: ignore[attr-defined]
    answers = answer_together(engine, questions)
    fault = answers.pop(len(asked))
    for answer, one in zip(answers, 2 * alone, strict=True):
        assert isinstance(answer, Answer)
        assert [hit.id for hit in answer.hits] == [hit["id"] for hit in one["hits"]]
        assert [hit.score for hit in answer.hits] == [hit["score"] for hit in one["hits"]]
    assert isinstance(fault, Exception)
    assert problem_of(fault).detail == refused.json()["detail"]


def test_an_image_that_is_none_is_the_fault_of_its_own_question_in_a_batch(
    client: TestClient,
) -> None:
    questions = [SearchRequest(text="a star"), SearchRequest(image_url="https://example.org/a")]
    engine = client.app.state.engine  # type: ignore[attr-defined]
    found = answer_many(engine, questions, {"https://example.org/a": b"no image"})
    good, bad = found.answers
    assert isinstance(good, Answer)
    assert good.hits
    assert isinstance(bad, ProblemDocument)
    assert (bad.status, bad.code) == (400, "bad-query")


def test_an_index_that_is_away_is_told_to_those_who_need_it(made: Made, tmp_path: Path) -> None:
    class Away(StubIndexes):
        def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
            if any(where.collection == "lent" for _, _, where in wanted):
                raise IndexUnavailable("The index is away.")
            return super().search_many(wanted)

    own = settings_of(copied(made, tmp_path))
    pointer.advance(Catalog.open(own.workspace), "lent", resolve("builtin"))
    questions = [
        SearchRequest(text=text, collection=name)
        for text, name in (("a star", "lent"), ("a ring", "default"), ("a moon", "lent"))
    ]
    with Engine(own, index_target(own), Away()) as engine:
        first, second, third = answer_together(engine, questions)
        with pytest.raises(IndexUnavailable, match="is away"):
            answer_many(engine, questions, {})
    assert isinstance(second, Answer)
    for one in (first, third):
        assert isinstance(one, IndexUnavailable)


@pytest.mark.parametrize(
    ("asked", "light"),
    [
        ({"text": "a red circle iso:>=100"}, True),
        ({"text": "-red", "cursor": "x"}, True),
        ({"text": "iso:>=100"}, False),  # which needs no model, and should not wait for one
        ({"text": "iso:many"}, False),
        ({"filters": {"has": ["place"]}}, False),
        ({"text": "a star", "facets": ["camera"]}, False),
        ({"text": "a star", "sort": "newest"}, False),
        ({"text": "a star", "limit": 500}, False),
        ({"text": "a star", "image_id": "00000000-0000-5000-8000-000000000000"}, False),
        ({"text": "a star", "collection": "nobody's"}, False),
    ],
)
def test_only_questions_of_words_are_answered_together(
    client: TestClient, asked: dict[str, Any], light: bool
) -> None:
    engine = client.app.state.engine  # type: ignore[attr-defined]
    assert is_light(engine, SearchRequest(**asked)) is light


def test_nobody_waits_with_others_for_a_model_that_is_not_loaded(made: Made) -> None:
    settings = settings_of(made, serve_models="lazy")
    question = SearchRequest(text="a star")
    with Engine(settings, index_target(settings), StubIndexes()) as engine:
        assert not is_light(engine, question)
        engine.towers("default", {}).encode_texts(["a star"])
        assert is_light(engine, question)


def test_a_fault_over_one_question_is_no_other_ones(made: Made) -> None:
    class Faulty(StubIndexes):
        def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
            if any(limit > 50 for _, limit, where in wanted if not where.must):
                raise KeyError("lost")
            return super().search_many(wanted)

    settings = settings_of(made)
    with Engine(settings, index_target(settings), Faulty()) as engine:
        good, bad = answer_together(
            engine, [SearchRequest(text="a star", limit=5), SearchRequest(text="a ring", limit=80)]
        )
    assert isinstance(good, Answer)
    assert isinstance(bad, KeyError)
    assert problem_of(bad).status == 500
