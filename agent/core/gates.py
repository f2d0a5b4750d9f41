"""Gates: what a new version must show before it counts (numbers), and how the gates of several who have a say become one. Pure.

Bundle, assignment and configuration may each set any gate. Of what they set the tightest holds, so none loosens another's; a default holds
where nobody says anything.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _at_least(default: float) -> Any:
    """A gate of which more is tighter."""
    return field(default=default, metadata={"tighter": max})


def _at_most(default: float) -> Any:
    """A gate of which less is tighter."""
    return field(default=default, metadata={"tighter": min})


@dataclass(frozen=True, slots=True)
class Gates:
    """What holds for one version. Times count while the agent runs; a device that is off proves nothing.

    The defaults suit 30 frames a second, where the times are what takes longest, as well as a frame a minute, where the counts are: shadow,
    canary and bake take 8, 17 and 17 hours there, each within its deadline.

    Attributes:
        shadow_frames: Frames on which a candidate is compared before it decides any; 0 skips the shadow.
        shadow_s: Seconds that this takes at least: many frames of few parts prove little.
        shadow_deadline_s: Seconds after which it is rejected if it is still there.
        canary_frames: Frames that it decides before it decides all; 0 skips the canary.
        canary_s: As for the shadow.
        canary_deadline_s: As for the shadow.
        canary_share: Share of the frames that it decides meanwhile, 0..1.
        bake_frames: Predictions after which an active version may count as confirmed.
        bake_s: As for the shadow.
        bake_deadline_s: Seconds after which the previous one is returned to if it has not come so far.
        max_disagreement: Share of compared frames on which a candidate may decide otherwise, or find something else where it decides nothing,
            without anybody saying who is right, 0..1.
        max_failures: Share of frames of which it may make nothing that can be used, 0..1.
        max_decision_shift: By how much the share of a decision may differ from that of its predecessor, or of its bundle's reference, 0..1.
        max_wrong: So many predictions of its own called wrong by feedback, less those called right, end it.
        max_error: Risk of the sequential test to take a worse version for a better one, or the reverse, 0..0.5.
        p99_ms: 99th percentile of one inference on this device, in milliseconds.
        memory_headroom_bytes: Memory that must be left when it is loaded.
        crash_runs: So many runs of the agent that did not end cleanly while it was at work end it.
        crash_window_s: Seconds of work after which such an end is not its fault any more.
    """

    shadow_frames: float = _at_least(500)
    shadow_s: float = _at_least(300)
    shadow_deadline_s: float = _at_most(172_800)
    canary_frames: float = _at_least(100)
    canary_s: float = _at_least(60)
    canary_deadline_s: float = _at_most(172_800)
    canary_share: float = _at_most(0.1)
    bake_frames: float = _at_least(1000)
    bake_s: float = _at_least(3600)
    bake_deadline_s: float = _at_most(604_800)
    max_disagreement: float = _at_most(0.02)
    max_failures: float = _at_most(0.01)
    max_decision_shift: float = _at_most(0.1)
    max_wrong: float = _at_most(5)
    max_error: float = _at_most(0.05)
    p99_ms: float = _at_most(math.inf)
    memory_headroom_bytes: float = _at_least(64_000_000)
    crash_runs: float = _at_most(3)
    crash_window_s: float = _at_least(600)

    def as_dict(self) -> dict[str, float]:
        """Those that bound anything, as JSON types."""
        return {name: value for name, value in asdict(self).items() if math.isfinite(value)}


_TIGHTER = {each.name: each.metadata["tighter"] for each in fields(Gates)}
NAMES = tuple(_TIGHTER)
_OF_THE_CANARY = ("canary_frames", "canary_s", "canary_share")
_LEAST = {"canary_share": 0.001, "max_error": 0.0001, "crash_runs": 1.0, "max_wrong": 1.0}
"""Below these a gate makes no sense, however tight somebody wants it."""


def tightest(*said: Mapping[str, float | None]) -> Gates:
    """The gates that hold, of what several have set.

    Args:
        said: By name of the gate; None or absent where this one says nothing. Unknown names are passed over: a later registry may know more.
    """
    held = {}
    for name, tighter in _TIGHTER.items():
        values = [value for each in said if (value := each.get(name)) is not None]
        if values:
            held[name] = max(tighter(values), _LEAST.get(name, 0.0))
    return Gates(**held)


def in_company(own: Gates, others: Iterable[Gates]) -> Gates:
    """The gates of a version that decides about the same parts as others do: of how a canary goes, the tightest of all of them holds.

    Else some of them decided frames of which the others knew nothing, and half a set would have decided a part.
    """
    all_of_them = [own, *others]
    tight = {name: _TIGHTER[name](getattr(each, name) for each in all_of_them) for name in _OF_THE_CANARY}
    return replace(own, **tight)


def understood(data: object) -> dict[str, float]:
    """The gates in what came from elsewhere, such as an assignment: known names with numbers that make sense; the rest bounds nothing."""
    if not isinstance(data, dict):
        return {}
    return {name: float(value) for name, value in data.items() if name in _TIGHTER and _is_sensible(value)}


def _is_sensible(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15  # noqa: PLR2004 - more than any
