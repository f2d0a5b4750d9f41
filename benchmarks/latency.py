"""From the moment a frame is there to a subscriber's callback in another process, less that frame's own invoke.

A clip plays at 30 frames/s; both sizes, both qualities of service, and a mosquitto with and without `set_tcp_nodelay`. Beside each:
plain paho, publish to callback, with messages as large and as frequent over a broker set alike.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips
from benchmarks.harness.broker import Broker, TimedSubscriber
from benchmarks.harness.figures import Figure, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_RATE = 30
_SKIP = 30
_PAYLOAD_BYTES = 950
"""A prediction of a classifier with five labels."""
_SLACK_S = 30.0
_SIZES = {"480p": (clips.P480, at_most(2.0)), "1080p": (clips.P1080, at_most(4.0))}
_P50 = at_most(0.8)
_QOS = (0, 1)
_NODELAY = (True, False)
_STEPS = ("wait", "pre", "post", "to the stamp", "on the way")
"""Where the time beyond the invoke goes: the first three are in `latency_ms`, then numbered until `published_at`, then until the
subscriber's callback."""


def measure(ctx: Context, runs: int) -> list[Figure]:
    """p50 and p99 for each combination."""
    ctx.peers.prepare("paho")
    count = _SKIP + round(_RATE * ctx.duration_s(15, 4))
    with ExitStack() as stack:
        brokers = {nodelay: stack.enter_context(Broker(nodelay=nodelay)) for nodelay in _NODELAY}
        home = stack.enter_context(agent.Home())
        contestants: dict[str, Callable[[], Measurement]] = {}
        for nodelay, qos in product(_NODELAY, _QOS):
            broker = brokers[nodelay]
            for size in _SIZES:
                contestants[_name(size, qos, nodelay=nodelay)] = (
                    lambda broker=broker, size=size, qos=qos: _agent(ctx, broker, home, size, qos, count)  # type: ignore[misc]
                )
            contestants[_name("paho", qos, nodelay=nodelay)] = (
                lambda broker=broker, qos=qos: _paho(ctx, broker, qos, count)  # type: ignore[misc]
            )
        rounds = interleave(runs, contestants, ctx.say)
    figures = []
    for nodelay, qos, (size, (_, p99)) in product(_NODELAY, _QOS, _SIZES.items()):
        name, paho = _name(size, qos, nodelay=nodelay), _name("paho", qos, nodelay=nodelay)
        for key, bound in (("p50", _P50), ("p99", p99)):
            figures.append(
                rounds.absolute(key, name, "ms", bound if nodelay else None, name=f"{name}: {key}", beside=[paho])
            )
    name = _name("480p", 0, nodelay=True)
    figures += [rounds.absolute(step, name, "ms", None, name=f"{name}: median {step}") for step in _STEPS]
    return figures


def _name(what: str, qos: int, *, nodelay: bool) -> str:
    return f"{what} QoS {qos}, nodelay {'on' if nodelay else 'off'}"


def _agent(ctx: Context, broker: Broker, home: agent.Home, size: str, qos: int, count: int) -> Measurement:
    source = agent.video(ctx.moving_clip(_SIZES[size][0]), loop=True, realtime=True)
    tables = agent.settings(broker.port, source, ctx.bundle, qos=qos)
    with (
        TimedSubscriber(broker, agent.PREDICTIONS, qos=qos, count=count) as subscriber,
        agent.Running(home, tables) as running,
    ):
        messages = subscriber.messages(running, count / _RATE + _SLACK_S)
    beyond_ms = [beyond_invoke_ms(at_ns, payload) for at_ns, payload in messages[_SKIP:]]
    steps = [_steps_ms(at_ns, payload) for at_ns, payload in messages[_SKIP:]]
    return {
        **{step: arithmetic.percentile([times[step] for times in steps], 0.5) for step in _STEPS},
        "p50": arithmetic.percentile(beyond_ms, 0.5),
        "p99": arithmetic.percentile(beyond_ms, 0.99),
        "bytes": float(len(messages[-1][1])),
    }


def beyond_invoke_ms(arrived_ns: int, payload: str) -> float:
    """Milliseconds from `captured_at` to the arrival, without the interpreter's own time."""
    prediction = json.loads(payload)
    return arrived_ns / 1e6 - milliseconds(prediction["captured_at"]) - float(prediction["latency_ms"]["invoke"])


def _steps_ms(arrived_ns: int, payload: str) -> dict[str, float]:
    """Milliseconds of each step but the invoke."""
    prediction = json.loads(payload)
    latency, published_ms = prediction["latency_ms"], milliseconds(prediction["published_at"])
    return {
        **{step: float(latency[step]) for step in ("wait", "pre", "post")},
        "to the stamp": published_ms - milliseconds(prediction["captured_at"]) - float(latency["total"]),
        "on the way": arrived_ns / 1e6 - published_ms,
    }


def milliseconds(text: str) -> float:
    """Milliseconds since the epoch of a time as messages have it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e3


def _paho(ctx: Context, broker: Broker, qos: int, count: int) -> Measurement:
    arguments = [str(value) for value in (broker.port, qos, count, _RATE, _PAYLOAD_BYTES)]
    answer = ctx.peers.get("paho").run("roundtrip", *arguments, timeout_s=count / _RATE + 2 * _SLACK_S)
    return {"p50": answer["p50"], "p99": answer["p99"]}
