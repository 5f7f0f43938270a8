"""Answers as they go out: what is right is written once, and validated by nobody again."""

import json
import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from pdray import tracing
from pdray.serve import metrics
from pdray.serve.recalling import KEPT, written
from pdray.serve.shapes import Answer, SearchRequest


def respond(request: Request, asked: SearchRequest, alone: bool, answer: Answer) -> Response:
    """The response. `alone`: nothing came with the question; then it may be given again, unless it
    names an image that lies elsewhere, which may be another the next time.
    """
    _observe(answer.took_ms)
    took_ms = json.dumps(answer.took_ms, separators=(",", ":")).encode()
    rest = answer.__pydantic_serializer__.to_json(answer, exclude={"took_ms"})
    elsewhere = asked.image_url or any(part.image_url for part in asked.mix)
    if not alone or elsewhere:
        return written(took_ms, rest, "none")
    setattr(request.state, KEPT, rest)
    return written(took_ms, rest, "miss")


def _observe(took_ms: Mapping[str, float]) -> None:
    """Counts the stages, and tells a collector of them as if they had just been, one by one."""
    began = time.time() - took_ms["total"] / 1000
    for stage, took in took_ms.items():
        metrics.STAGES.observe(took / 1000, stage=stage)
        if stage != "total":
            tracing.record(stage, began, began + took / 1000)
            began += took / 1000
