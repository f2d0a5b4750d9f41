"""What a decoder is: the last pure step, from raw output tensors to a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.core.results import Result
    from agent.models.placement import Placement


@dataclass(slots=True)
class Context:
    """What a decoder may need beside the outputs.

    Attributes:
        input: The raw input tensor, for decoders that compare with it.
        placement: Where the source frame lies in the input.
    """

    input: npt.NDArray[Any]
    placement: Placement


class Decoder(Protocol):
    """Reads the outputs of one model. Holds what it needs precomputed and keeps nothing of a frame."""

    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Result:
        """Make a result of one invocation.

        Never raises because of values: what is NaN in the outputs is NaN in the result, so that the pipeline can call it bad.

        Args:
            outputs: Raw tensors, in the order and of the shapes of the model's outputs; may be views of the interpreter's
                buffers, nothing of which lives on in the result.
            context: Input and placement of the same frame.
        """
        ...
