"""What the sync is at, as values and in words. Pure: for `lineside sync status` and the agent's health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.sync.outcome import Outcome

_LONGEST = 80
AT_LEAST_TRIES = 3
FOR_LONG_S = 3600.0
"""A registry that cannot be reached makes the agent degraded after so many tries and so long; what is not trusted, at once."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Tries since the last one that went well.

    Attributes:
        count: How many.
        since_s: Monotonic time of the first.
    """

    count: int = 0
    since_s: float = 0.0

    def after(self, outcome: Outcome, now_s: float) -> Failures:
        """With one more try."""
        if (
            outcome.state != "failed"
        ):  # one of several models may have a fault of its own, such as a version that was rejected here
            return Failures()
        return Failures(self.count + 1, self.since_s if self.count else now_s)


def degraded_by(outcome: Outcome, failures: Failures, now_s: float) -> str | None:
    """Why the agent is degraded by a sync, in a sentence; None if it is not."""
    fault = outcome.fault
    if fault is None:
        return None
    if fault.distrusted:
        return f"sync: not trusted, so nothing changes: {fault.message}"
    if outcome.state == "failed" and failures.count >= AT_LEAST_TRIES and now_s - failures.since_s >= FOR_LONG_S:
        hours = (now_s - failures.since_s) / 3600
        return f"sync: no success for {hours:.0f} h: {fault.message}"
    return None


def doing(progress: dict[str, Any]) -> str:
    """What a sync is at, by its own words: `fetching solar-cell 1.2.0, 1.5 of 4.0 MB`."""
    what = " ".join(str(progress[key])[:_LONGEST] for key in ("what", "model", "version") if progress.get(key))
    came, whole = progress.get("bytes"), progress.get("of_bytes")
    if isinstance(came, int) and isinstance(whole, int) and whole > 0:
        what += f", {came / 1e6:.1f} of {whole / 1e6:.1f} MB"
    return what or "at work"


def words(status: dict[str, Any]) -> list[str]:
    """The lines above the table of `lineside sync status`.

    Args:
        status: What `agent.sync.job.SyncJob.status` gives.
    """
    lines = [
        f"registry  {status['url'] or 'none; new versions come by lineside sync import'}",
        f"now       {_now(status)}",
    ]
    last = status["last"]
    if last is None:
        return [*lines, "last      no sync yet"]
    fault = last["fault"]
    at = last["at"][:19].replace("T", " ")
    told = _STATES[last["state"]] if fault is None else f"{fault['message']}  [{fault['code']}]"
    lines.append(f"last      {at} UTC: {told}; {last['size_bytes'] / 1e6:.1f} MB over the wire")
    if fault is not None and fault["hint"]:
        lines.append(f"  next: {fault['hint']}")
    lines += [
        f"          {name}: {other['message']}  [{other['code']}]"
        for name, other in last["faults"].items()
        if fault is None or other["message"] != fault["message"]
    ]
    if last["report_fault"] is not None:
        lines.append(f"reports   not taken by the registry: {last['report_fault']['message']}")
    if last["no_reports"]:
        lines.append(f"reports   none: {last['no_reports']}")
    if last["enrolment"]:
        waits = " for an operator: lineside registry devices approve" if last["enrolment"] == "waiting" else ""
        lines.append(f"enrolment {last['enrolment']}{waits}; key id {last['keyid']}")
    if status["failures"] > 1:
        lines.append(f"          {status['failures']} tries without success")
    return lines


_STATES = {
    "current": "all that is wanted is here",
    "staged": "something new was fetched and verified",
    "waiting": "nothing is assigned to this device yet",
    "failed": "it failed",
}


def _now(status: dict[str, Any]) -> str:
    if status["state"] == "absent":
        return "no agent runs"
    if status["state"] != "idle":
        return str(status["doing"])
    if status["next_in_s"] is None:
        return "waits to be asked"
    when = f"next look in {_duration(status['next_in_s'])}"
    return f"{when}, in the window {status['window']}" if status["window"] else when


def _duration(seconds: float) -> str:
    minutes, s = divmod(max(0, round(seconds)), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours} h {m} min" if hours else f"{m} min {s} s" if m else f"{s} s"


def version_words(model: dict[str, Any]) -> tuple[str, str, str, str]:
    """What runs, what is wanted, what was before, and what is happening, for one row of the table."""
    active, candidate, previous = model["active"], model["candidate"], model["previous"]
    runs = active["version"] if active else "nothing"
    wanted = model["wanted"] or "-"
    if (trial := model.get("trial")) is not None:
        state = "active, not confirmed" if trial["state"] == "active" else trial["state"]
        happening = f"{trial['version']} {state}: {trial['reason']}"
    elif candidate is not None:
        happening = f"{candidate['version']} {candidate['state']}: {candidate['reason'] or ''}".rstrip(": ")
    elif model["wanted"] and (active is None or model["wanted"] != active["version"]):
        happening = f"{model['wanted']} is to come"
    elif active is None:
        happening = "waits for its first version"
    else:
        happening = active["reason"] or ""
    return runs, wanted, previous["version"] if previous else "-", happening
