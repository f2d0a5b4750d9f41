"""`lineside sync status` in words: what runs, what is wanted, what is happening, the last error, the next try. Values in, text out."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from cloud_sync.device.times import read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATES = {
    "current": "everything that is wanted runs",
    "staged": "a version is ready and waits to be proved",
    "waiting": "it waits and goes on by itself",
    "failed": "it failed",
}
_MB = 1e6
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def words(
    *,
    runs: Mapping[str, Mapping[str, Any]],
    outcome: Mapping[str, Any] | None,
    progress: Mapping[str, Any] | None = None,
    next_at: str | None = None,
    now: datetime | None = None,
) -> str:
    """A line a model, and what the sync is about.

    Args:
        runs: Model → {version, state, reason} of what runs.
        outcome: Of the last sync, as `Outcome.as_dict`; None before the first.
        progress: What a sync that is under way said last.
        next_at: When it looks again, ISO 8601.
        now: The time.
    """
    at = now or datetime.now(timezone.utc)
    told = (outcome or {}).get("models", {})
    lines = [_model(name, runs.get(name, {}), told.get(name, {})) for name in sorted({*runs, *told})]
    lines += [_happening(progress)] if progress else []
    if outcome is None:
        lines.append("no sync has come to its end yet")
    else:
        lines.append(f"last sync {_ago(outcome.get('at'), at)}: {_STATES.get(outcome['state'], outcome['state'])}")
        for error in (outcome.get("error"), outcome.get("report_error")):
            lines += _fault(error)
        if outcome.get("enrolment") == "waiting":
            lines.append("the registry takes no reports of this device until an operator approves it")
    if next_at is not None:
        lines.append(f"next try {_ahead(next_at, at)}")
    return "\n".join(lines)


def _model(name: str, run: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    running = f"runs {run['version']}" if run.get("version") else "runs nothing yet"
    wanted, state = told.get("version"), told.get("state")
    error = told.get("error") or {}
    if state == "staged":
        return f"{name}: {running}; {wanted} is ready to be next"
    if error:
        return f"{name}: {running}; {wanted or 'what is wanted'} is not taken: {error.get('message', '')}"
    if wanted and wanted != run.get("version"):
        return f"{name}: {running}; {wanted} is wanted"
    return f"{name}: {running}" + (", which is what is wanted" if wanted else "")


def _happening(progress: Mapping[str, Any]) -> str:
    what = f"{progress.get('what', 'working')} {progress.get('model', '')} {progress.get('version', '')}".strip()
    of_bytes = progress.get("of_bytes") or 0
    size = f", {progress.get('bytes', 0) / _MB:.1f} of {of_bytes / _MB:.1f} MB" if of_bytes else ""
    return f"now: {what}{size}"


def _fault(error: Mapping[str, Any] | None) -> list[str]:
    if not error:
        return []
    hint = f" → {error['hint']}" if error.get("hint") else ""
    return [f"! {error['message']}{hint}"]


def _ago(text: str | None, now: datetime) -> str:
    if not text:
        return "at an unknown time"
    seconds = (now - read_time(text)).total_seconds()
    return f"{_span(seconds)} ago" if seconds >= 1 else "just now"


def _ahead(text: str, now: datetime) -> str:
    seconds = (read_time(text) - now).total_seconds()
    return f"in {_span(seconds)}" if seconds >= 1 else "now"


def _span(seconds: float) -> str:
    for size, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
