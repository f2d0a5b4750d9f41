"""What is said of a line: the message, and the sentence that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.core.messages import Drift, StatisticDrift
from agent.core.times import now_text

if TYPE_CHECKING:
    from agent.drift.line import Line, Watched


def message(line: Line, *, device: str, session: str, pipeline: str) -> Drift:
    """The state of a line as it goes out."""
    return Drift(
        device=device,
        session=session,
        pipeline=pipeline,
        state=line.state,
        since=line.since,
        reason=line.reason,
        model=line.digest,
        statistics={name: _statistic(watched) for name, watched in line.watched.items()},
    )


def nobody_watches(*, device: str, session: str, pipeline: str) -> Drift:
    """Takes back what an earlier start has told of a line that is gone, or that is not to be watched any more."""
    return Drift(
        device=device,
        session=session,
        pipeline=pipeline,
        state="no_reference",
        since=now_text(),
        reason="not watched any more: the configuration asks for no drift here",
        model=None,
        statistics={},
    )


def _statistic(watched: Watched) -> StatisticDrift:
    series, last = watched.series, watched.series.last
    return StatisticDrift(
        state="drifting" if series.drifting else "ok",
        since=watched.since,
        psi=None if last is None else round(last.psi, 4),
        psi_limit=None if last is None else round(last.psi_limit, 4),
        ks=None if last is None else round(last.ks, 4),
        ks_limit=None if last is None else round(last.ks_limit, 4),
        worth=None if last is None else round(last.worth, 1),
        windows=series.judged,
        unjudged=series.unjudged,
    )


def sentence(drift: Drift) -> str:
    """One line for the log, `status` and the reasons of the agent."""
    if drift.state == "no_reference":
        return f"drift is not watched: {drift.reason}"
    names = [name for name, statistic in drift.statistics.items() if statistic.state == "drifting"]
    if not names:
        return "it sees what its model was evaluated on, as far as is known"
    return f"{', '.join(names)} not as in the evaluation of its model, since {drift.since[:19].replace('T', ' ')} UTC"
