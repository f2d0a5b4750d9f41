"""What a pipeline knows of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from agent.core.decisions import DecisionRule
    from agent.core.messages import ModelReference
    from agent.core.results import Result


@dataclass(slots=True)
class Outcome:
    """One frame's result, and the `time.perf_counter_ns()` at the end of each step.

    Attributes:
        result: What the decoder made of the output tensors.
        started_ns: Before the first step.
        prepared_ns: The input tensor is filled.
        invoked_ns: The interpreter is done.
        decoded_ns: The result is there.
    """

    result: Result
    started_ns: int
    prepared_ns: int
    invoked_ns: int
    decoded_ns: int


class Model(Protocol):
    """A loaded model with its own interpreter. One thread calls `predict`; the same thread closes."""

    reference: ModelReference
    """What stands in each prediction."""
    rule: DecisionRule | None
    """The bundle's decision, None for models that only observe."""

    def predict(self, pixels: npt.NDArray[np.uint8]) -> Outcome:
        """Run the model on one frame.

        Args:
            pixels: uint8, [height, width, 3] BGR or [height, width] gray, any size.

        Raises:
            ModelRefused: The interpreter failed.
        """
        ...

    def close(self) -> None:
        """Let the interpreter go. May be called twice."""
        ...
