"""bare_invoke.py MODEL COUNT: the median of COUNT invokes of the bare interpreter with one thread, in milliseconds."""

from __future__ import annotations

import statistics
import sys
import time

from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Load, warm up, measure, print."""
    interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    taken = []
    for _ in range(int(sys.argv[2])):
        began = time.perf_counter()
        interpreter.invoke()
        taken.append(time.perf_counter() - began)
    print(statistics.median(taken) * 1e3)


main()
