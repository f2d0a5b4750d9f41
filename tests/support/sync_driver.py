"""A child process that syncs and adopts, as the sync's child and the agent do after one another: `python sync_driver.py ORDER`.

ORDER is a file with the order. Says on its standard output how many bytes came, and last `adopted`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cloud_sync.device.__main__ import run
from cloud_sync.device.order import Order
from cloud_sync.store import ModelStore


def main(content: bytes) -> None:
    outcome = run(content, lambda _: None)
    print(f"{outcome.state} {outcome.bytes}", flush=True)
    store = ModelStore(Order.decode(content).state_dir)
    store.activate(store.staged())
    store.collect(2, [])
    print("adopted", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes())
