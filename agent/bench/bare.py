"""Interpreters with nothing around them: the bound that no pipeline can beat."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.bench.figures import Invoke, Spread
from agent.core.errors import ModelRefused
from agent.models.interpreter import Interpreter

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from agent.models.execution import Execution, TrialLimits
    from agent.models.trial import Prover

_ROUNDS = 2
"""Interpreters take turns, so that a machine that slows down meanwhile favours none."""
_WARM_UP, _FEWEST = 3, 3


class BareLoop:
    """One interpreter that runs the same input again and again. One thread."""

    def __init__(self, model: Path, how: Execution, tensor: npt.NDArray[Any]) -> None:
        """Load and warm up.

        Args:
            model: A .tflite file that was tried before.
            how: Threads and delegates.
            tensor: What it is given: some operators, such as those that suppress boxes, take as long as there is to do.

        Raises:
            ModelRefused: The runtime refuses it.
        """
        self._interpreter = Interpreter(model, how)
        self._interpreter.set_input(tensor)
        self._threads = how.threads
        self._took_ms: list[float] = []
        for _ in range(_WARM_UP):
            self._interpreter.invoke()

    def run(self, seconds: float) -> None:
        """Invoke for so long, and at least three times."""
        invoke, now = self._interpreter.invoke, time.perf_counter_ns
        until_ns = now() + round(seconds * 1e9)
        count = 0
        while count < _FEWEST or now() < until_ns:
            began_ns = now()
            invoke()
            self._took_ms.append((now() - began_ns) / 1e6)
            count += 1

    def figures(self) -> Invoke:
        """Of all that was run."""
        took_ms = self._took_ms
        return Invoke(
            threads=self._threads,
            delegate=self._interpreter.delegate,
            invoke_ms=Spread.of(took_ms),
            rate_hz=1000 * len(took_ms) / sum(took_ms),
        )


def compare(
    model: Path,
    how: Execution,
    tensor: npt.NDArray[Any],
    *,
    cores: int,
    seconds: float,
    prover: Prover,
    limits: TrialLimits,
) -> tuple[Invoke, Invoke | None]:
    """A model as the agent runs it, and with another number of threads: two, or one where it has more.

    Args:
        model: A .tflite file that was tried with `how`.
        how: Threads and delegates of the agent.
        tensor: Its input.
        cores: With one core there is nothing to compare.
        seconds: For each of the two.
        prover: Tries the other number of threads in a child process first.
        limits: Of that trial.

    Raises:
        ModelRefused: The runtime refuses the file.
    """
    loops = [BareLoop(model, how, tensor)]
    if cores > 1:
        other = replace(how, threads=2 if how.threads == 1 else 1)
        try:
            prover.prove(model, other, limits)
            loops.append(BareLoop(model, other, tensor))
        except ModelRefused:  # not with so many threads: the agent's own number is what matters
            loops = loops[:1]
    for _ in range(_ROUNDS):
        for loop in loops:
            loop.run(seconds / _ROUNDS)
    bare, *others = (loop.figures() for loop in loops)
    return bare, others[0] if others else None
