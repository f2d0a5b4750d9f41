"""`python -m agent.sync.launch PARENT`: becomes the sync's child process, `python -m cloud_sync.device`, and ends with the agent.

So an agent that is killed leaves no sync behind that goes on beside the next one's. Started by `agent.sync.child` only.
"""

from __future__ import annotations

import runpy
import sys

from agent.models.children import end_with

if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    runpy.run_module("cloud_sync.device", run_name="__main__", alter_sys=True)
