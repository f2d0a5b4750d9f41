"""What was seen a moment ago and may turn out to be worth keeping: predictions, and pictures of those that were not accepted.

In memory, bounded, and gone with the agent. Any thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.core.messages import Prediction

_PREDICTIONS: Final = 512
"""Of all pipelines: several seconds, and a candidate's answer comes within one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame as it would be kept.

    Attributes:
        jpeg: Encoded.
        height: In pixels.
        width: In pixels.
        likeness: See `agent.core.likeness`.
    """

    jpeg: bytes
    height: int
    width: int
    likeness: int


class Recent:
    """The last predictions, and the last pictures as far as they have room."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._predictions: OrderedDict[str, Prediction] = OrderedDict()
        self._pictures: OrderedDict[str, tuple[Prediction, Picture]] = OrderedDict()
        self._bytes = 0

    def saw(self, prediction: Prediction) -> None:
        """Remember a prediction."""
        with self._lock:
            self._predictions[prediction.id] = prediction
            if len(self._predictions) > _PREDICTIONS:
                self._predictions.popitem(last=False)

    def prediction(self, id_: str) -> Prediction | None:
        """The prediction, if it was made a moment ago."""
        with self._lock:
            return self._predictions.get(id_)

    def put(self, prediction: Prediction, picture: Picture) -> None:
        """Remember a picture; the oldest make room, and one that has none at all is forgotten."""
        with self._lock:
            self._pictures[prediction.id] = (prediction, picture)
            self._bytes += len(picture.jpeg)
            while self._bytes > self._max_bytes:
                _, (_, oldest) = self._pictures.popitem(last=False)
                self._bytes -= len(oldest.jpeg)

    def picture(self, id_: str) -> tuple[Prediction, Picture] | None:
        """A picture that is remembered."""
        with self._lock:
            return self._pictures.get(id_)
