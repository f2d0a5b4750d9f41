"""Messages into the spool, or out of it to a broker, as the agent does it. Prints one JSON object.

spool_messages.py in FOLDER COUNT BYTES 0        predictions a second that are encoded, accepted and committed
spool_messages.py bare FOLDER COUNT BYTES 0      the same with a table and SQLite alone, one thread, groups as large
spool_messages.py drain FOLDER COUNT BYTES PORT  messages a second from the file to the broker's confirmation
"""

from __future__ import annotations

import contextlib
import gc
import json
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from agent.core import results
from agent.core.messages import FrameReference, Latency, ModelReference, Prediction, Status
from agent.core.times import new_id, now_text
from agent.core.topics import Topics
from agent.mqtt.encoding import encode
from agent.mqtt.ledger import Ledger
from agent.mqtt.publisher import Publisher
from agent.mqtt.settings import MqttSettings
from agent.mqtt.stored import stored
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

MODEL = ModelReference(
    name="m", version="1.0.0", digest="sha256:" + "0" * 64, runtime="litert 2.3.0", delegate="xnnpack"
)
QUEUE = 10_000
DRAIN_S = 100.0
UNWRITTEN_BYTES = 8 << 20
GROUP_BYTES = 4 << 20
"""Of the bare table; the spool's own size of a group that is written before its time."""


def prediction(seq: int, padding: str = "") -> Prediction:
    """One as a classifier makes it; `padding` makes the label longer."""
    label = results.Scored(label="crack" + padding, score=0.93)
    return Prediction(
        id=new_id(), session="session", seq=seq, event_seq=None, captured_at=now_text(), published_at="", clock="synced",
        device="press-07", pipeline="inspect", source="cam", frame=FrameReference(index=seq, file=None), part_id=None,
        model=MODEL, result=results.Classification(label="crack", score=0.93, top=[label]), decision="reject",
        quality="good", historical=False, latency_ms=Latency(wait=0.3, pre=0.1, invoke=3.1, post=0.1, total=3.7),
    )  # fmt: skip


def sized(seq: int, size_bytes: int) -> Prediction:
    """One that is so long when it is encoded; as it is, where that is longer."""
    missing = size_bytes - len(stored(prediction(seq), seq))
    return prediction(seq, "x" * max(0, missing))


def fill(spool: Spool, count: int, size_bytes: int) -> float:
    """Seconds until all is committed. Who makes messages faster than the writer's thread takes them helps it, so that none is given up."""
    ledger = Ledger(spool, QUEUE)
    made = [sized(seq, size_bytes) for seq in range(256)]
    began_s = time.perf_counter()
    for seq in range(count):
        ledger.put(made[seq & 255], qos=0, event_seq=seq, publish=False, wait=None)
        if spool.events.unwritten_bytes > UNWRITTEN_BYTES:
            spool.flush()
    spool.flush()
    took_s = time.perf_counter() - began_s
    if spool.events.disk_count != count:
        sys.exit(f"{spool.events.disk_count} of {count} messages are in the spool: {dict(spool.dropped)}")
    return took_s


def bare(folder: Path, count: int, size_bytes: int) -> float:
    """Seconds until a plain table holds as many messages, each group committed with an fsync."""
    made = [sized(seq, size_bytes) for seq in range(256)]
    group = max(1, GROUP_BYTES // size_bytes)
    with contextlib.closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as db:
        for statement in ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 4194304"):
            db.execute(f"PRAGMA {statement}")
        db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        began_s = time.perf_counter()
        for begin in range(0, count, group):
            db.execute("BEGIN IMMEDIATE")
            rows = ((seq, encode(made[seq & 255])) for seq in range(begin, min(begin + group, count)))
            db.executemany("INSERT INTO message VALUES (?, ?)", rows)
            db.execute("COMMIT")
        return time.perf_counter() - began_s


def drain(folder: Path, count: int, port: int) -> float:
    """Seconds from the connection until the last confirmation."""
    spool = Spool(SpoolSettings(max_bytes=1 << 30), folder)
    spool.open()
    spool.start()
    publisher = Publisher(
        MqttSettings(url=f"mqtt://127.0.0.1:{port}"), Topics("lineside", "bench", "spool"), device="spool",
        session="s", agent_version="1", spool=spool,
    )  # fmt: skip
    publisher.start()
    if not publisher.wait_connected(10):
        sys.exit("the broker does not answer")
    began_s = time.perf_counter()
    while publisher.queued and time.perf_counter() - began_s < DRAIN_S:
        time.sleep(0.005)
    took_s = time.perf_counter() - began_s
    left = publisher.stop(Status(device="d", session="s", state="stopped", since=now_text(), agent="1"), 5.0)
    spool.close()
    if left:
        sys.exit(f"{left} of {count} messages were not delivered")
    return took_s


def main(what: str, parent: str, count: int, size_bytes: int, port: int) -> None:
    """See the module."""
    gc.disable()  # as in the agent: what lives long is frozen, the rest is no cycle
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        if what == "bare":
            print(json.dumps({"messages/s": count / bare(folder, count, size_bytes)}))
            return
        spool = Spool(SpoolSettings(max_bytes=1 << 30), folder)
        spool.open()
        spool.start()
        took_s = fill(spool, count, size_bytes)
        size = spool.size_bytes / count
        spool.close()
        if what == "drain":
            took_s = drain(folder, count, port)
        print(json.dumps({"messages/s": count / took_s, "bytes": size}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
