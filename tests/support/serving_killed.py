"""`python serving_killed.py DIR N`: serves a registry until the N-th fsync of a publication, and is killed there."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from cloud_sync.registry.facets.models import Models
from cloud_sync.registry.registry import Registry
from cloud_sync.registry.server.serving import Place, serve


def main() -> None:
    folder, at = Path(sys.argv[1]), int(sys.argv[2])
    state = {"count": -1}
    fsync, publish = os.fsync, Models.publish

    def counted_fsync(descriptor):
        if state["count"] >= 0:
            state["count"] += 1
            if state["count"] == at:
                os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    def watched_publish(self, request, *, by):
        state["count"] = 0
        return publish(self, request, by=by)

    os.fsync, Models.publish = counted_fsync, watched_publish
    with Registry.open(folder) as registry:
        serve(registry, Place(port=0), lambda address: print(address, flush=True))


if __name__ == "__main__":
    main()
