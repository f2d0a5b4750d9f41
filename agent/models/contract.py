"""What a pipeline knows of a model: three steps, each of which may belong to another thread.

`prepare` fills an input beside the inference of the frame before, `infer` is the interpreter's own time and little more, `decode`
reads what came out while the next frame is inferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.core.decisions import DecisionRule
    from agent.core.messages import ModelReference
    from agent.core.results import Result
    from agent.models.placement import Placement, Size


@dataclass(slots=True)
class Prepared:
    """A frame as a model takes it. Times are `time.perf_counter_ns()`.

    Attributes:
        tensor: The filled input, in the shape and type of the model's own.
        placement: Where the source frame lies in it.
        began_ns: Before the first step.
        ready_ns: The tensor is filled.
    """

    tensor: npt.NDArray[Any]
    placement: Placement
    began_ns: int
    ready_ns: int


@dataclass(slots=True)
class Inferred:
    """What the interpreter made of a frame. Times are `time.perf_counter_ns()`.

    Attributes:
        outputs: Copies of the raw output tensors.
        prepared: What it was made of.
        began_ns: Before the tensor was given to the interpreter.
        invoke_ns: Before the interpreter's own time.
        invoked_ns: After it.
    """

    outputs: list[npt.NDArray[Any]]
    prepared: Prepared
    began_ns: int
    invoke_ns: int
    invoked_ns: int


class Preparer(Protocol):
    """Fills inputs of one model. Belongs to one thread; only `recycle` may be called by another, and `size` be read."""

    size: Size | None
    """Of the model's input: a picture of its own has no more pixels than these. None if it takes no picture."""

    def prepare(self, pixels: npt.NDArray[Any]) -> Prepared:
        """Resize, convert and quantize one frame into a tensor of its own.

        Args:
            pixels: uint8, [height, width, 3] BGR or [height, width] gray, any size.
        """
        ...

    def recycle(self, prepared: Prepared) -> None:
        """Nobody reads this tensor any more; the next frame may have it."""
        ...


class Model(Protocol):
    """A loaded model with its own interpreter."""

    reference: ModelReference
    """What stands in each prediction."""
    rule: DecisionRule | None
    """The bundle's decision, None for models that only observe."""

    def preparer(self) -> Preparer:
        """A new one, for one thread."""
        ...

    def infer(self, prepared: Prepared) -> Inferred:
        """Run the interpreter. One thread at a time, which may be another than the one that loaded the model.

        TFLite's interpreter knows no thread of its own, and neither does XNNPACK. A delegate that does (OpenGL) needs an isolated
        interpreter, which never leaves the main thread of its process.

        Raises:
            ModelRefused: The interpreter failed.
            ModelCrashed: Its child process ended, or was ended because it did not answer; this model is of no more use.
        """
        ...

    def decode(self, inferred: Inferred) -> Result:
        """What the outputs say. One thread at a time, which may be another than that of `infer`."""
        ...

    def close(self) -> None:
        """Let the interpreter go. Any thread, when no frame is in it; may be called twice."""
        ...
