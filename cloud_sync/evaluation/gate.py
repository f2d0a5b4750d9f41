"""The publish gate: reasons not to publish a version. Pure.

A version may be published when its own bounds hold with confidence, and when it is not shown to be worse than the version that it replaces.
Where the other has an evaluation, it must be possible to compare: a version nobody can compare is refused, else leaving
the evaluation out would be the way around the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloud_sync.errors import Refused
from cloud_sync.evaluation.paired import SIGNIFICANCE, exact_mcnemar, holm
from cloud_sync.evaluation.report import NOT_ASKED, RIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.evaluation.bounds import Bound
    from cloud_sync.evaluation.report import Report

LEAST_PAIRS: Final = 20
"""Samples that two reports must have in common: with fewer, McNemar's test finds next to nothing."""


class GateRefused(Refused):
    """A version misses its own bounds, or is not shown to be as good as the one it replaces.

    Attributes:
        reasons: One sentence each.
    """

    code = "worse-refused"

    def __init__(self, title: str, reasons: tuple[str, ...]) -> None:
        super().__init__(
            f"{title} is not published: {'; '.join(reasons)}",
            hint='mend it; or --unsafe-publish-worse "REASON", which everybody will read',
        )
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Release:
    """A version as the gate sees it.

    Attributes:
        title: Name and version.
        digest: `sha256:` digest of its manifest.
        files: Path → sha256, of its manifest.
        report: Its evaluation, or None.
        bounds: Of its `model.toml`.
    """

    title: str
    digest: str
    files: Mapping[str, str]
    report: Report | None
    bounds: tuple[Bound, ...]


def judge(new: Release, replaced: Release | None) -> tuple[str, ...]:
    """Why a version may not be published; nothing where it may.

    Args:
        new: What is to be published.
        replaced: What its channel names now; None where it names nothing, or no channel is given.
    """
    report = new.report
    if report is None:
        reasons = [f"it sets bounds ({', '.join(bound.measure for bound in new.bounds)}), and has no evaluation.json"]
        reasons = reasons if new.bounds else []
        if replaced is not None and replaced.report is not None:
            reasons.append(f"{replaced.title}, which it replaces, has an evaluation, and it has none")
        return tuple(reasons)
    other = report.stale(new.files)
    if other or not report.files:
        return (f"its evaluation.json is of another {', '.join(other) or 'model'}: evaluate it again",)
    missed = [why for bound in new.bounds if (why := bound.missed_by(report.measures.get(bound.measure)))]
    worse = [] if replaced is None or replaced.report is None else _worse(report, replaced, replaced.report)
    return (*missed, *worse)


def _worse(report: Report, replaced: Release, before: Report) -> list[str]:
    found = _pairs(report, before)
    if report.against == replaced.digest:
        told = {test.measure: (test.gain, test.p) for test in report.tests if test.measure in report.primary}
        found = told | found  # what can be computed here is not taken on anybody's word
    if not found:
        why = f"their evaluations have fewer than {LEAST_PAIRS} samples in common; evaluate it --against that version"
        return [f"it cannot be compared with {replaced.title}, which it replaces: {why}"]
    adjusted = holm({name: p for name, (_, p) in found.items()})
    return [
        f"its {name} is significantly worse than that of {replaced.title}, which it replaces"
        f" ({gain:+.4g}, p = {adjusted[name]:.2g})"
        for name, (gain, _) in found.items()
        if gain < 0 and adjusted[name] < SIGNIFICANCE
    ]


def _pairs(report: Report, before: Report) -> dict[str, tuple[float, float]]:
    """Measure → gain and p-value by exact McNemar, on the samples that both reports name."""
    places = {sample: k for k, sample in enumerate(before.samples)}
    found = {}
    for name in report.primary:
        now, then = report.hits.get(name), before.hits.get(name)
        if now is None or then is None:
            continue
        both = [(now[k], then[places[each]]) for k, each in enumerate(report.samples) if each in places]
        both = [pair for pair in both if NOT_ASKED not in pair]
        only_now = sum(mine == RIGHT != other for mine, other in both)
        only_then = sum(other == RIGHT != mine for mine, other in both)
        if len(both) >= LEAST_PAIRS:
            found[name] = ((only_now - only_then) / len(both), exact_mcnemar(only_now, only_then))
    return found
