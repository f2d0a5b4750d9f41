"""The manual of the wire, made from the types that are encoded: JSON Schemas, an AsyncAPI 3.0 document, and a page to read.

`python -m agent.mqtt.reference` writes it from the project's root, `--check` tells whether it is as it should be.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.messages import CommandAck, Drift, Gap, Health, ModelState, Prediction, SourceState, Status
from agent.core.topics import Topics
from agent.generated import keep
from agent.mqtt.schemas import Schema, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDER = Path("docs/reference/mqtt")
_CONTRACT = "1"
_TOPICS = Topics("{prefix}", "{location}", "{device}")
_PARAMETERS = {
    "prefix": "`mqtt.prefix` of the configuration, `lineside` by default.",
    "location": "`device.location`: any number of segments, or none; then the slash before it goes too.",
    "device": "`device.id`.",
    "pipeline": "Name of the table under `pipelines`.",
    "source": "Name of the table under `sources`.",
    "model": "Name of the table under `models`.",
    "verb": "`pause`, `resume`, `snapshot`, `set`, or whatever else somebody asked for in vain.",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic of the agent.

    Attributes:
        name: Its name in the AsyncAPI document.
        topic: With names of parameters in braces.
        retained: Whether the broker keeps the last message.
        qos: `0`, `1`, or `as set`.
        payloads: What is published there.
        summary: One sentence.
    """

    name: str
    topic: str
    retained: bool
    qos: str
    payloads: tuple[type, ...]
    summary: str


CHANNELS = (
    Channel(
        "status",
        _TOPICS.status,
        True,
        "1",
        (Status,),
        "Birth, will (`offline`), and every change of the agent's health.",
    ),
    Channel("health", _TOPICS.health, True, "0", (Health,), "Figures of the whole agent, every 30 s."),
    Channel(
        "sourceState", _TOPICS.source_state("{source}"), True, "1", (SourceState,), "Each change of a source's state."
    ),
    Channel(
        "modelState", _TOPICS.model_state("{model}"), True, "1", (ModelState,), "Which versions of a model there are."
    ),
    Channel(
        "prediction",
        _TOPICS.prediction("{pipeline}"),
        True,
        "as set",
        (Prediction,),
        "The last prediction; repeated a second after a reconnect unless there is a newer one.",
    ),
    Channel(
        "event",
        _TOPICS.event("{pipeline}"),
        False,
        "1",
        (Prediction, Gap),
        "The predictions that `events` selects, first in, first out, late ones included; a gap where a bound forced some out.",
    ),
    Channel(
        "backlog",
        _TOPICS.backlog("{pipeline}"),
        False,
        "1",
        (Prediction,),
        "Late predictions that are no events, in order, at a limited rate.",
    ),
    Channel(
        "drift",
        _TOPICS.drift("{pipeline}"),
        True,
        "1",
        (Drift,),
        "Whether the pipeline still sees what its model was evaluated on, with each window that was compared.",
    ),
    Channel(
        "ack",
        _TOPICS.ack("{verb}"),
        False,
        "1",
        (CommandAck,),
        "What became of a command, with its correlation data where MQTT 5 gave some.",
    ),
)

_FILES: dict[type, str] = {
    Status: "status.schema.json",
    Health: "health.schema.json",
    SourceState: "source-state.schema.json",
    ModelState: "model-state.schema.json",
    Prediction: "prediction.schema.json",
    Gap: "gap.schema.json",
    Drift: "drift.schema.json",
    CommandAck: "ack.schema.json",
}


def build() -> dict[str, str]:
    """Every generated file: its path under `docs/reference/mqtt`, and its text."""
    schemas = {cls: schema_of(cls) for cls in _FILES}
    files = {_FILES[cls]: _json(schema) for cls, schema in schemas.items()}
    files["asyncapi.json"] = _json(_asyncapi())
    files["README.md"] = "\n".join(_page(schemas)) + "\n"
    return files


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _asyncapi() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lineside agent",
            "version": _CONTRACT,
            "description": "What a Lineside agent publishes. One JSON object a message, UTF-8.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"publish-{channel.name}": _operation(channel) for channel in CHANNELS},
        "components": {"messages": {cls.__name__: _message(cls) for cls in _FILES}},
    }


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "address": channel.topic,
        "description": channel.summary,
        "messages": {cls.__name__: {"$ref": f"#/components/messages/{cls.__name__}"} for cls in channel.payloads},
        "parameters": {
            name: {"description": text} for name, text in _PARAMETERS.items() if f"{{{name}}}" in channel.topic
        },
    }


def _operation(channel: Channel) -> dict[str, Any]:
    qos = {} if channel.qos == "as set" else {"qos": int(channel.qos)}
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "bindings": {"mqtt": {**qos, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }


def _message(cls: type) -> dict[str, Any]:
    return {
        "name": cls.__name__,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{_FILES[cls]}"},
        },
    }


def _page(schemas: Mapping[type, Schema]) -> Iterator[str]:
    yield "# What an agent publishes over MQTT"
    yield ""
    yield "Made by `python -m agent.mqtt.reference` from the types that are encoded; do not edit."
    yield ""
    yield "One JSON object a message, UTF-8, times in UTC with microseconds and `Z`. Every field is always there; later versions of"
    yield "the agent may add some. [`asyncapi.json`](asyncapi.json) says the same to tools."
    yield ""
    yield from _table(
        ("topic", "retained", "qos", "payload", "content"),
        [
            (
                f"`{channel.topic}`",
                "yes" if channel.retained else "no",
                channel.qos,
                ", ".join(f"[{cls.__name__}](#{cls.__name__.lower()})" for cls in channel.payloads),
                channel.summary,
            )
            for channel in CHANNELS
        ],
    )
    yield ""
    yield from (f"- `{{{name}}}`: {text}" for name, text in _PARAMETERS.items())
    for cls, schema in schemas.items():
        yield from _section(schema, 2, f" Schema: [`{_FILES[cls]}`]({_FILES[cls]}).")
    parts = {name: part for schema in schemas.values() for name, part in schema.get("$defs", {}).items()}
    yield ""
    yield "## Parts of messages"
    for _, part in sorted(parts.items()):
        yield from _section(part, 3, "")


def _section(schema: Schema, level: int, more: str) -> Iterator[str]:
    yield ""
    yield f"{'#' * level} {schema['title']}"
    yield ""
    yield schema["description"] + more
    yield ""
    yield from _table(
        ("field", "type", "meaning"),
        [
            (f"`{name}`", _type(field), field.get("description", "").replace("|", "\\|"))
            for name, field in schema["properties"].items()
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(row) + " |"


def _type(field: Schema) -> str:
    match field:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"anyOf": choices}:
            return " or ".join(_type(choice) for choice in choices)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": values}:
            return f"name → {_type(values)}"
        case {"format": "date-time"}:
            return "time"
        case _:
            return str(field["type"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; the exit code."""
    return keep(FOLDER, build(), arguments, alone=True)


if __name__ == "__main__":
    sys.exit(main())
