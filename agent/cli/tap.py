"""`lineside tap`: watch what an agent publishes, one line a message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG

_SHOWN_BYTES = 200
"""Of a message that is not understood."""


def tap(
    config: ConfigOption = DEFAULT_CONFIG,
    pipeline: Annotated[str, typer.Option(help="Only this pipeline.")] = "+",
    events: Annotated[bool, typer.Option("--events", help="Events in place of predictions.")] = False,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="End after so many messages; 0: never.")] = 0,
    timeout: Annotated[
        float, typer.Option(min=0, help="End with exit code 4 after so many seconds without a message; 0: never.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print predictions or events as they are published; with --json one object a line, as on the wire.

    Exit codes: 0 the count was reached or Ctrl-C, 4 the broker or the messages did not come.
    """
    from agent.config.loading import load
    from agent.core.errors import BrokerUnreachable
    from agent.core.topics import Topics
    from agent.mqtt.listener import listen

    settings = load(Path(config)).usable()
    topics = Topics(settings.mqtt.prefix, settings.device.location, settings.device.id)
    topic = topics.event(pipeline) if events else topics.prediction(pipeline)
    output.talk(f"listening on {topic} at {settings.mqtt.url}; Ctrl-C ends")
    seen = 0
    with output.until_left() as left:
        for message in listen(settings.mqtt, topic, timeout_s=timeout or None, alive=lambda: not left.is_set()):
            print(message.decode(errors="replace") if as_json else shown(message), flush=True)  # noqa: T201 - the result
            seen += 1
            if seen == count:
                return
        if left.is_set():
            return
        raise BrokerUnreachable(
            f"no message on {topic} for {timeout:g} s",
            hint="does the agent run? `lineside status`; is the broker up? `lineside doctor`",
        )


def shown(message: bytes) -> str:
    """One message in one line; what an agent cannot have sent as it is."""
    try:
        return line(json.loads(message))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return f"not understood: {message[:_SHOWN_BYTES]!r}"


def line(message: dict[str, Any]) -> str:
    """One prediction in one line."""
    if message["schema"] != "lineside.prediction/1":
        return f"{message['schema']}: {message}"
    return (
        f"{message['captured_at'][11:23]}  {message['pipeline']:<12} {message['seq']:>7}  {message['decision'] or '-':<7}"
        f" {what(message['result']):<40} {message['latency_ms']['total']:7.1f} ms"
        + ("  late" if message["historical"] else "")
        + (f"  {message['quality']}" if message["quality"] != "good" else "")
    )


def what(result: dict[str, Any]) -> str:
    """The heart of a result in a few words."""
    match result["kind"]:
        case "classification":
            return f"{result['label']} {result['score']:.2f}"
        case "detection":
            return ", ".join(f"{o['label']} {o['score']:.2f}" for o in result["objects"][:3]) or "nothing"
        case "segmentation":
            return ", ".join(f"{a['label']} {a['score']:.0%}" for a in result["areas"][:3])
        case "anomaly":
            return f"anomaly {result['score']:.4g}"
        case "regression":
            return f"{result['value']:.4g} {result['unit'] or ''}".strip()
        case "embedding":
            distance = result["distance"]
            return f"{len(result['vector'])} features" + ("" if distance is None else f", distance {distance:.4g}")
        case _:
            return ", ".join(result["tensors"])
