"""Failures are put together by stage and kind."""

from pdray.ingest.failures import Group, grouped
from pdray.records import Failure


def test_failures_are_put_together_by_stage_and_kind_the_largest_group_first() -> None:
    timeouts = [Failure(f"file:///{name}", "read", "timeout", "Late.") for name in "cab"]
    other = Failure("file:///d", "list", "timeout", "Late.")
    corrupt = [Failure(f"file:///{name}", "decode", "corrupt", "Bad.") for name in "fe"]
    assert grouped([other, *corrupt, *timeouts], examples=2) == [
        Group("read", "timeout", 3, True, (timeouts[1], timeouts[2])),
        Group("decode", "corrupt", 2, False, (corrupt[1], corrupt[0])),
        Group("list", "timeout", 1, True, (other,)),
    ]
