"""When `run` ends, and with which exit code (design 4.1)."""

from __future__ import annotations

import pytest

from agent.core.errors import ModelRefused, NotTrusted, SourceInvalid, SourceUnavailable
from agent.core.lifecycle import PipelineFate, SourceFate, exit_code

WORKS = PipelineFate(ended=False, worked=True, fault=None)
ENDED = PipelineFate(ended=True, worked=True, fault=None)
STARTING = PipelineFate(ended=False, worked=False, fault=None)
REFUSED = PipelineFate(ended=False, worked=False, fault=ModelRefused("no"))
DISTRUSTED = PipelineFate(ended=False, worked=False, fault=NotTrusted("no"))
BROKE_LATER = PipelineFate(ended=False, worked=True, fault=ModelRefused("no"))
RUNS = SourceFate(ended=False, fault=None)
AWAY = SourceFate(ended=False, fault=SourceUnavailable("no"))
DONE = SourceFate(ended=True, fault=None)
BROKEN = SourceFate(ended=True, fault=SourceInvalid("no"))


@pytest.mark.parametrize(
    ("pipelines", "sources", "expected"),
    [
        ([WORKS], [RUNS], None),
        ([STARTING], [RUNS], None),
        ([ENDED], [DONE], 0),
        ([WORKS], [DONE], None),
        ([ENDED], [RUNS], 0),
        ([ENDED, WORKS], [DONE, RUNS], None),
        ([ENDED, ENDED], [DONE, BROKEN], 1),
        ([WORKS], [AWAY], None),
        ([REFUSED], [RUNS], 3),
        ([REFUSED, DISTRUSTED], [RUNS], 3),
        ([DISTRUSTED, DISTRUSTED], [RUNS], 5),
        ([REFUSED, WORKS], [RUNS], None),
        ([REFUSED, STARTING], [RUNS], None),
        ([REFUSED, ENDED], [DONE], 1),
        ([BROKE_LATER], [RUNS], None),
        ([BROKE_LATER], [DONE], 1),
    ],
)
def test_run_ends_only_when_nothing_is_left_to_do(pipelines, sources, expected):
    """One working part keeps the agent up; what can never work ends it at once."""
    assert exit_code(pipelines, sources) == expected
