"""encode_prediction.py FILE: microseconds to encode the prediction in FILE, by the agent and by json.dumps, as JSON.

json.dumps is given the dictionary ready made, which it would have to make of the dataclass first.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.messages import FrameReference, Latency, ModelReference, Prediction
from agent.core.results import Classification, Scored
from agent.mqtt.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Callable

BATCHES = 200
CALLS = 500


def prediction(fields: dict[str, Any]) -> Prediction:
    """The message that was encoded into these fields."""
    result = fields["result"]
    top = [Scored(**scored) for scored in result["top"]]
    parts = {
        "frame": FrameReference(**fields["frame"]),
        "model": ModelReference(**fields["model"]),
        "result": Classification(**(result | {"top": top})),
        "latency_ms": Latency(**fields["latency_ms"]),
    }
    return Prediction(**(fields | parts))


def batch_us(call: Callable[[Any], object], argument: Any) -> float:
    """Microseconds of one call, out of many."""
    began = time.perf_counter()
    for _ in range(CALLS):
        call(argument)
    return (time.perf_counter() - began) / CALLS * 1e6


def main() -> None:
    """Check that both say the same, then measure in turns."""
    fields = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    message = prediction(fields)
    if json.loads(encode(message)) != fields:
        sys.exit("the agent's bytes say something else than the prediction they were made of")
    ways: dict[str, tuple[Callable[[Any], object], Any]] = {
        "agent": (encode, message),
        "json.dumps": (json.dumps, fields),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(BATCHES):
        for name, (call, argument) in ways.items():
            taken[name].append(batch_us(call, argument))
    print(json.dumps({f"{name} µs": statistics.median(values) for name, values in taken.items()}))


main()
