"""Somebody at the line who knows what the parts are: looks at those on which two versions differ, and at some of what a new one decides.

What the experts said of the photographs stands in for the person's eye. Everything is said over MQTT, as a plant's terminal would.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from agent.demo.cells import truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from line import Line
    from listening import Message, Subscriber

    from agent.demo.cells import Cell

_LOOK_S = 1.0
_SPOT_CHECK = 10
"""Of what a new version has decided, every so many parts are looked at."""
RIGHT = {"functional": "accept", "defective": "reject"}


class Inspector:
    """Looks from `start` to `close`, while a version is on trial.

    Attributes:
        said: How often it said `right` and `wrong`.
    """

    def __init__(self, line: Line, heard: Subscriber, cells: Mapping[str, Cell], version: str) -> None:
        """Store.

        Args:
            line: Says which parts are disputed.
            heard: Has the predictions, and takes what is said of them.
            cells: By the name of the photograph.
            version: The new one.
        """
        self.said = {"right": 0, "wrong": 0}
        self._line = line
        self._heard = heard
        self._cells = cells
        self._version = version
        self._answered: set[str] = set()
        self._looked_at = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="inspector")

    def right_decision(self, prediction: Message) -> str | None:
        """What should have been decided of a part; None where the experts were not sure."""
        name = prediction["frame"]["file"].partition("-")[2]
        return RIGHT.get(truth(self._cells[name]) or "")

    def _work(self) -> None:
        while not self._ended.wait(_LOOK_S):
            trial = self._line.trial()
            disputed = {entry["prediction"] for entry in trial.get("disputed", [])}
            known = {p["id"]: p for p in self._heard.predictions[-5000:]} if disputed else {}
            for name in disputed - self._answered:
                if name in known:
                    self._say(known[name])
            self._check_some()

    def _check_some(self) -> None:
        decided = [p for p in self._heard.predictions[self._looked_at :] if p["model"]["version"] == self._version]
        self._looked_at = len(self._heard.predictions)
        for prediction in decided[::_SPOT_CHECK]:
            if prediction["decision"] != "unsure":  # that part comes to a person by itself
                self._say(prediction)

    def _say(self, prediction: Message) -> None:
        self._answered.add(prediction["id"])
        right = self.right_decision(prediction)
        if right is not None:
            is_right = prediction["decision"] == right
            self.said["right" if is_right else "wrong"] += 1
            self._heard.feedback(prediction["id"], None if is_right else right)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Go home."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
