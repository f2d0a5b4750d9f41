"""One prediction to bytes, against `json.dumps`. The prediction is one that the agent published.

Calls `agent.mqtt.encoding` itself, in a fresh process for each round.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.harness import agent, clips
from benchmarks.harness.broker import Broker, TimedSubscriber
from benchmarks.harness.figures import Figure, NotMeasured, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_START_S = 30.0


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Microseconds of each."""
    try:
        payload = _real_prediction(ctx)
    except NotMeasured as error:
        return [Figure("one prediction to bytes", "µs", bound=at_most(1.5), reason=str(error))]
    file = ctx.work / "prediction.json"
    file.write_text(payload, encoding="utf-8")

    def turn() -> Measurement:
        answer: Measurement = json.loads(ctx.script("encode_prediction.py", file))
        return answer

    rounds = interleave(runs, {"encode": turn}, ctx.say)
    return [
        rounds.absolute(
            "agent µs", "encode", "µs", at_most(1.5), name="one prediction to bytes", also=["json.dumps µs"]
        ),
        rounds.within("encode", "agent µs", "json.dumps µs", name="agent / json.dumps"),
    ]


def _real_prediction(ctx: Context) -> str:
    source = agent.video(ctx.moving_clip(clips.P480), loop=True, realtime=True)
    with Broker() as broker, agent.Home() as home:
        tables = agent.settings(broker.port, source, ctx.bundle)
        with (
            TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=1) as subscriber,
            agent.Running(home, tables) as running,
        ):
            return subscriber.messages(running, _START_S)[0][1]
