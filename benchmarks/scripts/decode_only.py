"""decode_only.py VIDEO: read a clip round and round at its own frame rate with one thread, as the agent reads it, and nothing else.

Prints `first` after the first frame; runs until it is ended.
"""

from __future__ import annotations

import sys
import time

import cv2

GIVE_UP_S = 900.0


def opened() -> cv2.VideoCapture:
    """The clip from its beginning."""
    return cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def main() -> None:
    """Read on and on."""
    cv2.setNumThreads(1)
    capture = opened()
    period_s = 1 / capture.get(cv2.CAP_PROP_FPS)
    due_s, first = time.monotonic(), True
    until_s = due_s + GIVE_UP_S
    while due_s < until_s:
        if not capture.read()[0]:
            capture.release()
            capture = opened()
            continue
        if first:
            print("first", flush=True)
            first = False
        due_s += period_s
        time.sleep(max(0.0, due_s - time.monotonic()))


main()
