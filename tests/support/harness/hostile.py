"""Commands as a stranger or a broken program sends them: seeded, of all sizes, some of them nearly right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random

VERBS = ("pause", "resume", "snapshot", "set")
_LARGE_BYTES = 300_000
_DEEP = 20_000
_WORDS = (
    "",
    "p0",
    "p1",
    "nobody",
    "../../etc/passwd",
    "a" * 5000,
    "\u0000",
    "\ud7ff",
    "💣",
    "-1",
    "NaN",
    "null",
    "$(reboot)",
)


class Command(NamedTuple):
    """What to publish under the agent's root."""

    topic: str
    payload: bytes
    retain: bool


def command(rng: random.Random) -> Command:
    """One more."""
    return Command(f"cmd/{_verb(rng)}", _payload(rng), rng.random() < 0.02)


def _verb(rng: random.Random) -> str:
    strange = (
        "",
        "PAUSE",
        "pause ",
        "pause/ack",
        "pause/x/y",
        "$SYS",
        "ack",
        "é" * 200,
        "v" * 20_000,
        "run",
        "%00",
        "..",
    )
    return rng.choice(VERBS) if rng.random() < 0.7 else rng.choice(strange)


def _payload(rng: random.Random) -> bytes:
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.randrange(0, 200))
        case 1:
            return rng.randbytes(rng.randrange(1000, _LARGE_BYTES)) if rng.random() < 0.05 else b""
        case 2:
            return rng.choice((b"[", b'{"a":')) * rng.randrange(1, _DEEP if rng.random() < 0.05 else 200)
        case 3:
            return b'{"id":"x","id":"y","pipeline":"p0","pipeline":"p1"}'
        case 4:
            return b'{"min_score":' + b"9" * rng.randrange(1, 6000) + b"}"
        case 5:
            return _cut(json.dumps(_object(rng)).encode(), rng)
        case _:
            return json.dumps(_object(rng)).encode()


def _object(rng: random.Random) -> object:
    keys = ("id", "pipeline", "source", "key", "value", "min_score", "unsure_below", "threshold", "reason", "__class__")
    return {rng.choice(keys): _value(rng, 3) for _ in range(rng.randrange(6))}


def _value(rng: random.Random, depth: int) -> object:
    simple = (None, True, 0, -1, 0.5, 1e308, 10**30, float("nan"), float("inf"), rng.choice(_WORDS))
    if depth and rng.random() < 0.2:
        return [_value(rng, depth - 1) for _ in range(3)]
    return rng.choice(simple)


def _cut(payload: bytes, rng: random.Random) -> bytes:
    return payload[: rng.randrange(len(payload) + 1)]
