"""`python -m cloud_sync.device`: reads an order on stdin, runs one sync, and writes what it does as JSON lines on stdout.

`{"progress": {…}}` any number of times, and last `{"outcome": {…}}`. The exit code is 0 when there is an outcome, whatever it says. Runs with
less priority than the line, and loads the trust code only when it is needed; what it used of memory goes away with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from cloud_sync.device.order import MAX_BYTES, Order, Outcome, described
from cloud_sync.errors import CloudSyncError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud_sync.wire import HttpWire
    from cloud_sync.wire.contract import Wire

_NICE = 10
_SAY_EVERY_S = 0.5


def main() -> int:
    """The child."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # a library may print; what it says is no outcome
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    outcome = run(sys.stdin.buffer.read(MAX_BYTES + 1), _saying(out))
    out.write(json.dumps({"outcome": outcome.as_dict()}) + "\n")
    out.flush()
    return 0


def run(content: bytes, say: Callable[[dict[str, Any]], None]) -> Outcome:
    """One sync by an order, from its bytes to its outcome."""
    import sqlite3  # noqa: PLC0415 - the priority is lowered first

    from cloud_sync.device.journal import FOLDER, Journal  # noqa: PLC0415 - likewise
    from cloud_sync.device.sync import Sync, as_ours  # noqa: PLC0415 - likewise
    from cloud_sync.device.turn import turn  # noqa: PLC0415 - likewise
    from cloud_sync.store import ModelStore  # noqa: PLC0415 - likewise

    try:
        order = Order.decode(content)
        folder = order.state_dir / FOLDER
        with turn(folder), Journal.open(folder) as journal, contextlib.ExitStack() as stack:
            wire, desk = _wires(order, stack)
            store = ModelStore(order.state_dir)
            return Sync(order, wire=wire, journal=journal, store=store, folder=folder, desk=desk, say=say).run()
    except (CloudSyncError, OSError, sqlite3.Error) as error:
        return Outcome(state="failed", error=described(as_ours(error)), at=_now())


def _wires(order: Order, stack: contextlib.ExitStack) -> tuple[Wire, HttpWire | None]:
    """Where files come from, and where reports go.

    Raises:
        OrderInvalid: Nowhere.
        InsecureAddress: The address is not to be used.
    """
    from cloud_sync.device.faults import OrderInvalid  # noqa: PLC0415 - likewise
    from cloud_sync.wire import FolderWire, HttpWire  # noqa: PLC0415 - likewise

    if order.import_dir is not None:
        return FolderWire(order.import_dir), None
    if order.url is None:
        raise OrderInvalid("there is no registry to sync with", hint="sync.url = …")
    wire = stack.enter_context(
        HttpWire(order.url, rate_limit_bytes_s=order.rate_limit_bytes_s, insecure_http=order.insecure_http)
    )
    return wire, wire


def _saying(out: TextIO) -> Callable[[dict[str, Any]], None]:
    """Each new thing at once, and the growth of one not more than twice a second."""
    last: list[Any] = [None, 0.0]

    def say(progress: dict[str, Any]) -> None:
        what = {name: value for name, value in progress.items() if name != "bytes"}
        now_s = time.monotonic()
        if what != last[0] or now_s - last[1] >= _SAY_EVERY_S:
            last[:] = [what, now_s]
            out.write(json.dumps({"progress": progress}) + "\n")

    return say


def _now() -> str:
    from datetime import datetime, timezone  # noqa: PLC0415 - likewise

    from cloud_sync.device.times import written  # noqa: PLC0415 - likewise

    return written(datetime.now(timezone.utc))


if __name__ == "__main__":
    sys.exit(main())
