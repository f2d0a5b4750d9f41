"""Lines whose shadows and canaries the test holds in its hands."""

from __future__ import annotations

import pytest
from adopting import GATES, Begun, Line

from agent.models.trial import Prover


@pytest.fixture(scope="session")
def prover(tmp_path_factory):
    """One memory of what was tried, for all tests."""
    return Prover(tmp_path_factory.mktemp("proven"))


@pytest.fixture
def make_line(tmp_path, prover):
    """Makes lines over one state directory, each a start of the agent; ends them."""
    made = []

    def make(gates=None, spared=(), **pipelines):
        tables = pipelines or {"a": {"model": "m"}}
        made.append(Line(tmp_path, tables, prover, gates=GATES | (gates or {}), staged=True, spared=spared))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def begun(make_line):
    """One model, one pipeline."""
    return Begun(make_line())
