"""`lineside` with models that hang: each file `hang-…` in the folder of LINESIDE_TEST_HANG makes one call of an interpreter hang for good.

Run as a program in place of `-m agent`; whoever removes a file is the one that hangs.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from agent.__main__ import main
from agent.models.loading import LoadedModel

_FOLDER = Path(os.environ["LINESIDE_TEST_HANG"])
_infer = LoadedModel.infer


def _may_hang(self, prepared):
    for token in _FOLDER.glob("hang-*"):
        try:
            token.unlink()
        except FileNotFoundError:
            continue
        threading.Event().wait()
    return _infer(self, prepared)


if __name__ == "__main__":
    LoadedModel.infer = _may_hang
    main()
