"""`lineside status`: asks the running agent over the control socket in its state directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG

_DISPUTED_SHOWN = 5


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show what the running agent does: pipelines, sources, models, broker.

    Exit codes: 0 it runs (degraded or not), 4 no agent answers.
    """
    from agent.config.loading import load
    from agent.control import ask

    settings = load(Path(config)).usable()
    answer = ask(settings.device.state_dir, "status")
    output.result(answer, render(answer), as_json=as_json)


def render(answer: dict[str, Any]) -> str:
    """The answer of `agent.app.App.status`, for people."""
    status = answer["status"]
    mqtt = answer["mqtt"]
    since = status["since"][:19].replace("T", " ")
    process = f"lineside {status['agent']}, pid {answer['pid']}, up {_duration(answer['uptime_s'])}"
    lines = [
        f"{status['device']}  {status['state']} since {since} UTC  ({process})",
        *(f"  ! {reason}" for reason in status["reasons"]),
        *(f"  * {note}" for note in status["notes"]),
        "",
        f"mqtt  {mqtt['state']}, {mqtt['sentence']}; {mqtt['queued']} queued, {sum(mqtt['dropped'].values())} dropped",
        *_commands(answer["commands"]),
        _spool(answer["spool"]),
        *_samples(answer.get("samples", {})),
        "",
        output.table(
            [
                (
                    name,
                    _state(p),
                    p["source"],
                    p["model"],
                    p["predictions"],
                    f"{p['rate_hz']:.1f}",
                    _ms(p["latency_p50_ms"]),
                    _ms(p["latency_p99_ms"]),
                    sum(p["drops"].values()),
                )
                for name, p in answer["pipelines"].items()
            ],
            head=("pipeline", "state", "source", "model", "made", "1/s", "p50 ms", "p99 ms", "dropped"),
        ),
        "",
        output.table(
            [
                (name, s["state"], s["frames"], s["abandoned"], s["reason"] or "")
                for name, s in answer["sources"].items()
            ],
            head=("source", "state", "frames", "hung", "reason"),
        ),
        "",
        output.table(
            [(name, *_version(version)) for name, m in answer["models"].items() for version in _versions(m)],
            head=("model", "state", "version", "digest", "reason"),
        ),
        *(line for name, trial in answer.get("trials", {}).items() for line in trial_lines(name, trial)),
        *_drift(answer.get("drift", {})),
    ]
    return "\n".join(lines)


def _drift(drifts: dict[str, Any]) -> list[str]:
    """Each statistic that is compared with the reference of its model; nothing where none is."""
    rows = [
        (
            name,
            statistic,
            s["state"],
            s["windows"],
            *("-" if s[key] is None else f"{s[key]:.2f}" for key in ("psi", "psi_limit", "ks", "ks_limit")),
            s["since"][:19].replace("T", " "),
        )
        for name, drift in drifts.items()
        for statistic, s in drift["statistics"].items()
    ]
    head = ("pipeline", "drift of", "state", "windows", "PSI", "limit", "KS", "limit", "since (UTC)")
    return ["", output.table(rows, head=head)] if rows else []


def _state(pipeline: dict[str, Any]) -> str:
    """What a person must see first: that it takes no frames on purpose, if it could."""
    if pipeline["state"] != "ok":
        return str(pipeline["state"])
    slowed = [] if pipeline["slowed_to_hz"] is None else ["slowed"]
    return ", ".join([*pipeline["holds"], *slowed]) or "ok"


def _commands(counts: dict[str, int]) -> list[str]:
    """A line, if any were sent."""
    said = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items())
    return [f"commands  {said}"] if said else []


def _spool(spool: dict[str, Any]) -> str:
    """What waits on the disk, in a line."""
    waits = f"{spool['events']} events"
    if spool["backlog"]:
        waits += f" and {spool['backlog']} late predictions"
    text = f"spool {waits} wait, {spool['size_bytes'] / 1e6:.1f} MB"
    if not spool["durable"]:
        text += "; in memory only, as the disk takes nothing"
    return text + (f"; {spool['quarantined']} in quarantine: lineside spool list" if spool["quarantined"] else "")


def _samples(samples: dict[str, Any]) -> list[str]:
    """A line, if any pipeline keeps some."""
    if not samples:
        return []
    skipped = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in samples["skipped"].items())
    kept = output.counted(samples["kept"], "sample")
    return [
        f"samples  {kept} kept, {samples['size_bytes'] / 1e6:.1f} MB" + (f"; skipped: {skipped}" if skipped else "")
    ]


def _versions(model: dict[str, Any]) -> list[dict[str, Any]]:
    """What works, and what is on its way or was rejected on it."""
    return [version for version in (model["active"], model["candidate"]) if version is not None]


def _version(version: dict[str, Any]) -> tuple[str, str, str, str]:
    return version["state"], version["version"], version["digest"][:19], version["reason"] or ""


def trial_lines(name: str, trial: dict[str, Any]) -> list[str]:
    """A version on trial, and what somebody may do about it, for people.

    Args:
        name: Of the model's table.
        trial: See `agent.life.driver.Life.status`.
    """
    where = {"active": "active, not confirmed", "shadow": "in its shadow", "canary": "a canary"}
    state = where.get(trial["state"], trial["state"])
    word = f" ({trial['word']} is asked for)" if trial["word"] else ""
    lines = [
        "",
        f"on trial  {name} {trial['version']}, {state} for {_duration(trial['spent_s'])}{word}: {trial['reason']}",
    ]
    lines += [
        f"          {each['prediction']}  {each['pipeline']}: {each['active']}, the candidate {each['candidate']}"
        for each in trial["disputed"][:_DISPUTED_SHOWN]
    ]
    if trial["disputed"]:
        lines.append("  next: lineside model feedback ID right|wrong")
    return lines


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _duration(seconds: float) -> str:
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours} h {m} min" if hours else f"{m} min {s} s" if m else f"{s} s"
