"""What a model may leave to its decoder: softmax and sigmoid, right for all finite inputs.

NumPy would warn of overflow and of infinities; decoders call from within `np.errstate`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def softmax(logits: Floats) -> Floats:
    """exp(x) / sum(exp(x)) of a vector, shifted by its largest value so that no finite input overflows."""
    powers = np.exp(logits - logits.max())
    shares: Floats = powers / powers.sum()
    return shares


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) of each value; far below 0 the power overflows to infinity, which gives the right 0."""
    chances: Floats = np.reciprocal(1 + np.exp(-logits))
    return chances
