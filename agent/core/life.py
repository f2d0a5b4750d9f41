"""The life of a version on a device: `staged ► verified ► shadow ► canary ► active ► previous`, or `rejected` at any point. Pure.

A state, what was seen in it and the gates give the next step with its reason. Each state has a deadline; one that passes ends in `rejected`,
and the old model stays. An active version is watched until it is confirmed: that is its bake time. Who counts, moves models and keeps the
journal is `agent.life`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.core.sequential import compare, needed

if TYPE_CHECKING:
    from agent.core.gates import Gates

Trying = Literal["shadow", "canary", "active"]
"""States in which a version is tried on this line's own frames."""
Word = Literal["", "hold", "confirm", "return"]
"""What an operator has said of it."""

_RETURNED = "returned by an operator"
_FEW_FAILURES = 3
"""Fewer may happen to any model."""
_ENOUGH_LATENCIES = 1000
"""Below it a 99th percentile rests on fewer than ten frames, and what else the machine does decides: on a busy one a good version with 201
frames was called too slow. Before it came here its latency was measured apart (`verified`)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a version in its present state; feedback, since it came to its shadow.

    Attributes:
        spent_s: Seconds in the state while the agent ran.
        frames: Compared in the shadow, decided by it in the canary and later.
        disagreed: Compared frames on which it decides otherwise than the active model.
        failures: Frames of which it made nothing that can be used, beyond the share of its predecessor.
        p99_ms: 99th percentile of its inference; None where that is not known.
        latencies: How many of them that rests on.
        better: Labelled frames on which it was right and the active model was not.
        worse: The reverse.
        wrong: Predictions of its own that were called wrong, less those called right.
        worsened: Why it is worse than its reference, in words; empty where it is not.
        fault: Why it cannot go on, in words; empty where it can.
        word: What an operator has said.
    """

    spent_s: float = 0.0
    frames: int = 0
    disagreed: int = 0
    failures: int = 0
    p99_ms: float | None = None
    latencies: int = 0
    better: int = 0
    worse: int = 0
    wrong: int = 0
    worsened: str = ""
    fault: str = ""
    word: Word = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to become of a version.

    Attributes:
        state: Where it belongs now; the same as before where it stays.
        reason: Why, in words.
        is_settled: Nothing more is to come: it is confirmed, or rejected.
        waits_for_feedback: It stays because only a person can say which of the two models is right.
    """

    state: Literal["shadow", "canary", "active", "rejected"]
    reason: str
    is_settled: bool = False
    waits_for_feedback: bool = False


def first(gates: Gates, reason: str, *, can_compare: bool) -> Step:
    """Where a verified version begins.

    Args:
        gates: Of it.
        reason: What speaks for it so far.
        can_compare: Whether there is an active model at work that it can be compared with.
    """
    if not can_compare:
        return Step("active", f"{reason}; nothing works that it could be compared with")
    return _after("verified", gates, reason)


def begun(step: Step, word: Word) -> Step:
    """The first step of a version that waits with it until those are as far that came with it.

    Args:
        step: Where it begins; see `first`.
        word: An operator's meanwhile.
    """
    if word == "return":
        return Step("rejected", _RETURNED, is_settled=True)
    if word == "confirm":
        return Step("active", "confirmed by an operator")
    return step


def after(state: Trying, seen: Evidence, gates: Gates) -> Step:
    """The next step of a version that is tried.

    Args:
        state: Its present one; `active` until it is confirmed.
        seen: In that state.
        gates: Of it.
    """
    if (fault := _against(seen, gates)) is not None:
        return Step("rejected", fault, is_settled=True)
    if seen.word == "confirm":
        if state == "active":
            return Step("active", "confirmed by an operator", is_settled=True)
        return Step("active", f"confirmed by an operator, in its {state} after {_counted(state, seen)}")
    if (waits := _missing(state, seen, gates)) is None:
        return _after(state, gates, _for(state, seen))
    if seen.spent_s >= _deadline_s(state, gates):
        took = _duration(_deadline_s(state, gates))
        return Step("rejected", f"its {_NAMES[state]} was not over after {took}: {waits.reason}", is_settled=True)
    return waits


def crashed_too_often(runs: int, spent_s: float, gates: Gates) -> str | None:
    """Why a version is not to be loaded again; None if it may be.

    Args:
        runs: Of the agent in which it was at work, and which did not end cleanly.
        spent_s: Seconds since it came to be at work, while the agent ran.
        gates: Of it.
    """
    if runs < gates.crash_runs or spent_s > gates.crash_window_s:
        return None
    return f"the agent did not end cleanly in {runs} runs in a row with it, within {_duration(gates.crash_window_s)} of work"


def _against(seen: Evidence, gates: Gates) -> str | None:
    """What ends it here, whatever else speaks for it."""
    if seen.word == "return":
        return _RETURNED
    if seen.fault:
        return seen.fault
    if seen.failures >= _FEW_FAILURES and seen.failures > gates.max_failures * seen.frames:
        return f"it made nothing of {seen.failures} of {max(seen.frames, seen.failures)} frames"
    if seen.p99_ms is not None and seen.latencies >= _ENOUGH_LATENCIES and seen.p99_ms > gates.p99_ms:
        return f"it takes {seen.p99_ms:.1f} ms (p99) on this device, its budget is {gates.p99_ms:g} ms"
    if compare(seen.better, seen.worse, gates.max_error) == "worse":
        return (
            f"feedback says that it is worse: where only one of the two was right it was it in {seen.better} of "
            f"{seen.better + seen.worse} frames"
        )
    if seen.wrong >= gates.max_wrong:
        return f"feedback called its predictions wrong, {seen.wrong} more than it called right"
    return seen.worsened or None


def _missing(state: Trying, seen: Evidence, gates: Gates) -> Step | None:
    """What it waits for; None if it may go on."""
    frames, spent_s = _demanded(state, gates)
    if seen.frames < frames or seen.spent_s < spent_s:
        of_frames = f"{_counted(state, seen)} of {frames:.0f} asked for"
        left = "" if seen.spent_s >= spent_s else f", {_duration(seen.spent_s)} of {_duration(spent_s)}"
        return Step(state, of_frames + left)
    disagrees = state == "shadow" and seen.disagreed > gates.max_disagreement * seen.frames
    if disagrees and compare(seen.better, seen.worse, gates.max_error) != "better":
        waits = (
            f"it decides otherwise on {seen.disagreed} of {seen.frames} frames, more than {gates.max_disagreement:.1%}: waits for "
            f"feedback on them, {seen.better} to {seen.worse} so far, a lead of {needed(gates.max_error)} decides"
        )
        return Step(state, waits, waits_for_feedback=True)
    if seen.word == "hold":
        return Step(state, f"held by an operator; {_for(state, seen)}")
    return None


def _after(state: Literal["verified", "shadow", "canary", "active"], gates: Gates, reason: str) -> Step:
    """The next state that its gates do not skip."""
    if state == "verified" and gates.shadow_frames > 0:
        return Step("shadow", reason)
    if state in ("verified", "shadow") and gates.canary_frames > 0:
        return Step("canary", reason)
    if state == "active":
        return Step("active", f"confirmed: {reason}", is_settled=True)
    return Step("active", reason)


def _demanded(state: Trying, gates: Gates) -> tuple[float, float]:
    """Frames and seconds."""
    if state == "shadow":
        return gates.shadow_frames, gates.shadow_s
    if state == "canary":
        return gates.canary_frames, gates.canary_s
    return gates.bake_frames, gates.bake_s


def _deadline_s(state: Trying, gates: Gates) -> float:
    deadlines = {
        "shadow": gates.shadow_deadline_s,
        "canary": gates.canary_deadline_s,
        "active": gates.bake_deadline_s,
    }
    return deadlines[state]


_NAMES: dict[Trying, str] = {"shadow": "shadow", "canary": "canary", "active": "bake time"}
_VERBS: dict[Trying, str] = {"shadow": "compared", "canary": "decided", "active": "decided"}


def _counted(state: Trying, seen: Evidence) -> str:
    return f"{seen.frames} frames {_VERBS[state]}"


def _for(state: Trying, seen: Evidence) -> str:
    """What speaks for it after a state."""
    said = _counted(state, seen)
    if state == "shadow":
        said += f", {seen.disagreed} otherwise"
    if seen.better or seen.worse:
        said += f", feedback {seen.better} to {seen.worse}"
    return f"{said} in {_duration(seen.spent_s)}"


def _duration(seconds: float) -> str:
    units = (("d", 86400), ("h", 3600), ("min", 60))
    return next((f"{seconds / size:.3g} {unit}" for unit, size in units if seconds >= size), f"{seconds:.0f} s")
