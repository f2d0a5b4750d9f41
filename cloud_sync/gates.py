"""Gates that an assignment may set: what a version must show on a device before it counts there. Names and values that make sense; no more.

What they mean is the agent's to know (`agent.core.gates`), which this package never imports; a test holds the two lists together. A device passes
over a gate that it does not know, so whoever assigns is told here of a word that no device would obey.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from cloud_sync.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

_YEAR_S = 31_536_000


class Range(NamedTuple):
    """What values a gate may have.

    Attributes:
        least: Smallest value.
        most: Largest one.
        is_whole: Fractions make no sense.
    """

    least: float
    most: float
    is_whole: bool = False


RANGES: dict[str, Range] = {
    "shadow_frames": Range(0, 1_000_000_000, is_whole=True),
    "shadow_s": Range(0, _YEAR_S),
    "shadow_deadline_s": Range(1, _YEAR_S),
    "canary_frames": Range(0, 1_000_000_000, is_whole=True),
    "canary_s": Range(0, _YEAR_S),
    "canary_deadline_s": Range(1, _YEAR_S),
    "canary_share": Range(0.001, 1),
    "bake_frames": Range(0, 1_000_000_000, is_whole=True),
    "bake_s": Range(0, _YEAR_S),
    "bake_deadline_s": Range(1, _YEAR_S),
    "max_disagreement": Range(0, 1),
    "max_failures": Range(0, 1),
    "max_decision_shift": Range(0, 1),
    "max_wrong": Range(1, 1_000_000, is_whole=True),
    "max_error": Range(0.0001, 0.4999),
    "p99_ms": Range(0.001, 1_000_000),
    "memory_headroom_bytes": Range(0, 100_000_000_000_000, is_whole=True),
    "crash_runs": Range(1, 1000, is_whole=True),
    "crash_window_s": Range(0, _YEAR_S),
}


class GateInvalid(Refused):
    """No device would obey such a gate."""

    code = "gate-invalid"


def check(gates: Mapping[str, float | None]) -> None:
    """Whether gates may stand in an assignment, or be taken out of it where there is no value.

    Raises:
        GateInvalid: There is none of such a name, or its value makes no sense.
    """
    for name, value in gates.items():
        if (may := RANGES.get(name)) is None:
            meant = difflib.get_close_matches(name, RANGES, n=1)
            known = f"gates: {', '.join(RANGES)}"
            raise GateInvalid(f"{name!r} is no gate", hint=f"did you mean {meant[0]}? {known}" if meant else known)
        if value is None or (may.least <= value <= may.most and not (may.is_whole and value % 1)):
            continue
        kind = "a whole number" if may.is_whole else "a number"
        raise GateInvalid(
            f"{name} = {value:.10g} makes no sense", hint=f"{kind} from {may.least:.10g} to {may.most:.10g}"
        )
