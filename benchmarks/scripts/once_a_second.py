"""once_a_second.py MODEL: one invoke of the bare interpreter a second, with one thread, and nothing else.

Prints `first` after the first invoke; runs until it is ended. A model that is asked once a second finds none of its weights in the caches.
"""

from __future__ import annotations

import sys
import time

from ai_edge_litert.interpreter import Interpreter

GIVE_UP_S = 900


def main() -> None:
    """Invoke on and on."""
    interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    print("first", flush=True)
    for _ in range(GIVE_UP_S):
        time.sleep(1)
        interpreter.invoke()


main()
