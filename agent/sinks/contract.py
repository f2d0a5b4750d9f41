"""Where predictions go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.messages import Prediction


class Sink(Protocol):
    """Takes predictions from pipeline threads and never makes a live pipeline wait. Any thread."""

    def send(
        self,
        prediction: Prediction,
        *,
        qos: int,
        event_seq: int | None,
        publish: bool,
        wait: Callable[[], bool] | None,
    ) -> None:
        """Take one prediction.

        Args:
            prediction: Complete but for `published_at`, `historical` and `event_seq`, which the sink sets per message;
                the caller gives it away and does not touch it again.
            qos: Quality of service of the message on `…/prediction`.
            event_seq: Number of the event, or None if this is no event.
            publish: Whether it also goes to `…/prediction`.
            wait: For sources that can wait (files): a full queue makes the call wait while the sink is connected and
                `wait()` is true. None for live sources: a full queue drops its oldest prediction and counts it.
        """
        ...
