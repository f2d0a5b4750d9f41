"""A publisher for tests, what it said of its link, and messages that are whole, valid, and told apart by their numbers."""

from __future__ import annotations

import contextlib
import threading

from deadlines import LONG_S

from agent.core import results
from agent.core.messages import FrameReference, Latency, ModelReference, Prediction, Status
from agent.core.times import new_id, now_text
from agent.core.topics import Topics
from agent.mqtt.publisher import Publisher
from agent.mqtt.settings import MqttSettings
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

TOPICS = Topics("lineside", "graz/line-2", "press-07")
MODEL = ModelReference(name="m", version="1", digest="sha256:0", runtime="litert 2", delegate="xnnpack")
CRACK = results.Classification(label="crack", score=0.9, top=[results.Scored(label="crack", score=0.9)])


def prediction(seq: int, pipeline: str = "p", result: results.Result = CRACK) -> Prediction:
    """A prediction as a pipeline gives it to a sink."""
    return Prediction(
        id=new_id(),
        session="session-1",
        seq=seq,
        event_seq=None,
        captured_at=now_text(),
        published_at="",
        clock="synced",
        device="press-07",
        pipeline=pipeline,
        source="cam",
        frame=FrameReference(index=seq, file=None),
        part_id=None,
        model=MODEL,
        result=result,
        decision="reject",
        quality="good",
        historical=False,
        latency_ms=Latency(wait=0.1, pre=0.1, invoke=3.0, post=0.1, total=3.3),
    )


def status(state: str, reasons: tuple[str, ...] = ()) -> Status:
    """A status of the same device and session."""
    return Status(
        device="press-07", session="session-1", state=state, since=now_text(), agent="1.0", reasons=list(reasons)
    )


class Links:
    """Remembers every `LinkState` of a publisher; pass it as `on_link`."""

    def __init__(self) -> None:
        self.all = []
        self._changed = threading.Condition()

    def __call__(self, link) -> None:
        with self._changed:
            self.all.append(link)
            self._changed.notify_all()

    def wait_for(self, state: str, saying: str = "", *, times: int = 1, timeout_s: float = LONG_S):
        """The newest link state of that name and with that in its sentence, as soon as there were so many."""
        with self._changed:
            reached = self._changed.wait_for(lambda: len(self._such(state, saying)) >= times, timeout_s)
            assert reached, f"{state} was not said {times} times within {timeout_s:g} s, but {self.all}"
            return self._such(state, saying)[-1]

    def _such(self, state: str, saying: str) -> list:
        return [link for link in self.all if link.state == state and saying in link.sentence]


@contextlib.contextmanager
def publishing(
    url: str,
    *,
    on_link=lambda _: None,
    on_drop=lambda *_: None,
    folder=None,
    spool: dict | None = None,
    wait_s: float = LONG_S,
    **settings,
):
    """A started publisher, connected unless `wait_s` is 0; stopped with the block.

    Its spool is in memory unless there is a `folder`; `spool` are settings of it, by default late predictions are kept.
    """
    keeps = Spool(
        SpoolSettings(**{"backlog": "keep"} | (spool or {})), folder, capacity=settings.get("queue_messages", 10_000)
    )
    keeps.open()
    keeps.start()
    publisher = Publisher(
        MqttSettings(url=url, **settings),
        TOPICS,
        device="press-07",
        session="session-1",
        agent_version="1.0",
        spool=keeps,
        on_link=on_link,
        on_drop=on_drop,
    )
    publisher.start()
    try:
        assert not wait_s or publisher.wait_connected(wait_s), publisher.link
        yield publisher
    finally:
        publisher.stop(status("stopped"), 0.0)
        keeps.close()


def send(
    publisher: Publisher, seq: int, *, qos: int = 0, event_seq=None, publish=True, wait=None, result=CRACK
) -> None:
    """One prediction, as a pipeline gives it."""
    publisher.send(prediction(seq, result=result), qos=qos, event_seq=event_seq, publish=publish, wait=wait)
