"""pytest's side of the fault tests: how much of them runs, by which seed, and the table at the end. A plugin, named in tests/conftest.py.

`--faults=all` runs every injection, else each test runs a slice. Rows travel as properties of the reports, so that xdist brings them
home from its workers.
"""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.table import AttackRow, Row, aligned, as_markdown, as_text, attacks_as_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.evidence import Verdict
    from harness.plant import Plant

_PROPERTY = "fault_row"
_ATTACK_PROPERTY = "attack_row"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--faults", choices=("slice", "all"), default="slice", help="how many faults are injected")
    group.addoption("--faults-seed", type=int, default=1, help="what random moments come from")
    group.addoption("--faults-table", type=Path, help="also write the table of faults here: .md, else JSON")


@dataclass
class Chance:
    """Random moments that come again with the same seed, and how much of a test runs."""

    seed: int
    runs_all: bool
    random: random.Random

    def pick(self, few, many):
        """`few` in the slice that everybody runs, else `many`."""
        return many if self.runs_all else few

    def wait_s(self, least_s: float, most_s: float) -> float:
        """A random stretch of time."""
        return self.random.uniform(least_s, most_s)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Chance:
    """Each test has its own sequence, whatever runs before it."""
    seed = request.config.getoption("--faults-seed")
    print(f"--faults-seed={seed}")
    own = random.Random(seed * 2**32 + zlib.crc32(request.node.nodeid.encode()))
    return Chance(seed, request.config.getoption("--faults") == "all", own)


@pytest.fixture
def row(record_property: Callable[[str, object], None]):
    """Add a row to the table, then fail if what it says breaks the promise."""

    def add(fault: str, injected: int, plant: Plant, verdict: Verdict, note: str = "") -> None:
        found = Row.of(fault, injected, verdict, plant.healthy_s, note)
        record_property(_PROPERTY, json.dumps(found.as_dict()))
        assert not verdict.faults(), f"{verdict.faults()}\n{plant.agent.log[-3000:]}"
        assert verdict.events > 0, "nothing was proved"

    return add


@pytest.fixture
def storage_row(record_property: Callable[[str, object], None]):
    """Add a row of a fault of the disk, where no broker and no whole agent is needed; then fail if anything was lost or out of order."""

    def add(fault: str, injected: int, events: int, *, lost: int = 0, reordered: int = 0, note: str = "") -> None:
        found = Row(fault, injected, events, lost, reordered=reordered, note=note)
        record_property(_PROPERTY, json.dumps(found.as_dict()))
        assert (lost, reordered) == (0, 0), found
        assert injected > 0, "nothing was proved"
        assert events > 0, "nothing was proved"

    return add


@pytest.fixture
def attack_row(record_property: Callable[[str, object], None]):
    """Add a row to the table of attacks, then fail if it was not refused as it should be, or anything changed by it."""

    def add(attack: str, how: str, *, expected: str, refused_with: str, changed: bool) -> None:
        found = AttackRow(attack, how, refused_with, changed)
        record_property(_ATTACK_PROPERTY, json.dumps(found.as_dict()))
        assert (refused_with, changed) == (expected, False), found

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = sorted((Row(**row) for row in _said(terminalreporter, _PROPERTY)), key=lambda row: row.fault)
    attacks = sorted(
        (AttackRow(**row) for row in _said(terminalreporter, _ATTACK_PROPERTY)), key=lambda row: row.attack
    )
    if not (rows or attacks):
        return
    seed = config.getoption("--faults-seed")
    terminalreporter.section(f"faults: {config.getoption('--faults')}, --faults-seed={seed}")
    if rows:
        terminalreporter.write_line(as_text(rows))
    if attacks:
        terminalreporter.write_line(aligned(AttackRow.cells(attacks), left=(0, 1, 2, 3)))
    path: Path | None = config.getoption("--faults-table")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        tables = [as_markdown(rows)] if rows else []
        tables += [attacks_as_markdown(attacks)] if attacks else []
        body = {"seed": seed, "rows": [row.as_dict() for row in rows], "attacks": [row.as_dict() for row in attacks]}
        path.write_text(
            "\n".join(tables) if path.suffix == ".md" else json.dumps(body, indent=1) + "\n", encoding="utf-8"
        )


def _said(terminalreporter: pytest.TerminalReporter, name: str) -> list[dict]:
    """What tests said by a property, whether they passed or not."""
    return [
        json.loads(text)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if getattr(report, "when", "") == "call"
        for key, text in report.user_properties
        if key == name
    ]
