"""A child process that syncs and adopts, as the sync's child and the agent do after one another: `python sync_driver.py ORDER… [STATE]`.

Each ORDER is a file with an order; STATE, a folder, takes the place of the state directory in all of them. Says `adopted` on its standard
output after each, straight to the pipe, so that whoever reads knows how far it was when the process died.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cloud_sync.device.__main__ import run
from cloud_sync.device.order import Order
from cloud_sync.store import ModelStore


def main(content: bytes) -> None:
    outcome = run(content, lambda _: None)
    assert outcome.error is None, outcome
    store = ModelStore(Order.decode(content).state_dir)
    store.activate(store.staged())
    store.collect(2, [])
    os.write(1, b"adopted\n")


if __name__ == "__main__":
    orders = [Path(argument).read_bytes() for argument in sys.argv[1:] if Path(argument).is_file()]
    for order in orders:
        state_dir = {"state_dir": sys.argv[-1]} if Path(sys.argv[-1]).is_dir() else {}
        main(json.dumps({**json.loads(order), **state_dir}).encode())
