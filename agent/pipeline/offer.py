"""A new model for a pipeline that works: made beside the old one, taken between two frames, and the old one given back.

Whoever offers loads the model, in a thread that outlives it (the kernel ends an isolated model's child with the thread that started it),
and closes what comes back. So the pipeline's own threads neither load nor close anything.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.core.boundary import Boundary
    from agent.models.contract import Model, Preparer


class Offer:
    """`wait` and `former` belong to who offers, the rest to the pipeline.

    Attributes:
        model: Loaded, and run once.
        own: Prepares for the inference thread.
        at_intake: Prepares for the capture thread. Not the other one: each frame remembers which of them filled its tensor.
        former: The model that it took the place of; None where there was none, and before `wait` says that it is over.
        taken: Whether the pipeline works with `model` now, and will close it.
    """

    def __init__(self, model: Model, boundary: Boundary | None = None) -> None:
        self.model = model
        self._boundary = boundary
        self.own: Preparer = model.preparer()
        self.at_intake: Preparer = model.preparer()
        self.former: Model | None = None
        self.taken = False
        self._over = threading.Event()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the last frame of the old model is finished, or nobody will take this one any more; False if neither came in time."""
        return self._over.wait(timeout_s)

    def is_for(self, index: int) -> bool:
        """Whether the frame that the pipeline has at hand is to be this model's."""
        return self._boundary is None or self._boundary.lies_before(index)

    def is_for_all_that_come(self) -> bool:
        """Whether every frame is that is not in the mailbox yet."""
        return self._boundary is None or self._boundary.all_came()

    def conclude(self) -> None:
        """Nothing uses the old model any more, or the offer came to nothing. May be called twice."""
        self._over.set()


class OfferBox:
    """At most one offer, the newest. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self.waiting: Offer | None = None
        """May be looked at without the lock: the inference thread does so before each frame."""

    def put(self, offer: Offer) -> None:
        """Leave an offer; one that still waits is concluded, and one that comes too late as well."""
        with self._lock:
            former, self.waiting = self.waiting, None if self._closed else offer
        if former is not None:
            former.conclude()
        if self._closed:
            offer.conclude()

    def take(self, only: Offer | None = None) -> Offer | None:
        """The offer, which is then the caller's to conclude.

        Args:
            only: None where it has been replaced by another one meanwhile; without, whichever there is.
        """
        with self._lock:
            offer = self.waiting
            if only is not None and offer is not only:
                return None
            self.waiting = None
        return offer

    def close(self) -> None:
        """Nobody takes anything any more. May be called twice."""
        with self._lock:
            self._closed = True
            offer, self.waiting = self.waiting, None
        if offer is not None:
            offer.conclude()
