"""Follows the life of one version by what a subscriber hears, and says what happens as it does."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candidates import Ending
    from listening import Message, Subscriber

_FIRST_S = 120.0
_WIDTH = 110


class Following:
    """Of one version.

    Attributes:
        states: It came to, in their order.
        reason: Of the last one.
        ending: None until there is one.
    """

    def __init__(self, heard: Subscriber, version: str) -> None:
        """Store.

        Args:
            heard: The subscriber.
            version: The new one.
        """
        self.states: list[str] = []
        self.reason = ""
        self.ending: Ending | None = None
        self._heard = heard
        self._version = version
        self._read = 0
        self._began_s = time.monotonic()

    def first(self, version: str) -> None:
        """Wait until the version before it is confirmed."""
        self._heard.wait(f"{version} is confirmed", lambda: _is_confirmed(self._last("active"), version), _FIRST_S)
        self.say(version, "active", self._last("active")["reason"], self._heard.states[-1][0])

    def returned(self, version: str) -> None:
        """Wait until an earlier version is at work again."""
        self._heard.wait(
            f"{version} is at work again", lambda: self._last("active").get("version") == version, _FIRST_S
        )

    def until(self, state: str, timeout_s: float) -> None:
        """Follow it until it has come to a state, or to its end."""
        self._heard.wait(f"{self._version} is {state}", lambda: self._follow(state), timeout_s)

    def end(self, timeout_s: float) -> None:
        """Follow it until nothing more is to come."""
        self._heard.wait(f"the end of {self._version}", lambda: self._follow(""), timeout_s)

    def say(self, who: str, what: str, why: str = "", at_s: float | None = None) -> None:
        """One line, with the seconds since the beginning."""
        past_s = (at_s or time.monotonic()) - self._began_s
        print(f"{past_s:6.1f} s  {who:9}  {what:9}  {why[:_WIDTH]}", flush=True)

    def _last(self, role: str) -> Message:
        return (self._heard.states[-1][1].get(role) or {}) if self._heard.states else {}

    def _follow(self, state: str) -> bool:
        while self._read < len(self._heard.states):
            at_s, said = self._heard.states[self._read]
            self._read += 1
            for role in ("candidate", "active"):
                if (one := said.get(role)) and one["version"] == self._version:
                    self._enter(one["state"], one["reason"] or "", at_s)
        return self.ending is not None or state in self.states

    def _enter(self, state: str, reason: str, at_s: float) -> None:
        if self.ending is not None or (self.states[-1:] == [state] and reason == self.reason):
            return
        self.say(self._version, state, reason, at_s)
        if self.states[-1:] != [state]:
            self.states.append(state)
        self.reason = reason
        if state == "rejected":
            self.ending = "returned" if "active" in self.states else "rejected"
        elif state == "active" and reason.startswith("confirmed"):
            self.ending = "confirmed"

    @property
    def ended_in(self) -> str:
        """The state in which its end was decided."""
        judged = [state for state in self.states if state != "rejected"]
        return judged[-1] if judged else "staged"


def gaps(predictions: Sequence[Message]) -> int:
    """Numbers of predictions and of pictures that are missing, or come twice."""
    return sum(
        (after["seq"] != before["seq"] + 1) + (after["frame"]["index"] != before["frame"]["index"] + 1)
        for before, after in pairwise(predictions)
    )


def summary(predictions: Sequence[Message], said: dict[str, int]) -> str:
    """What the subscriber has seen of the whole, in a table."""
    made: Counter[Any] = Counter(prediction["model"]["version"] for prediction in predictions)
    by = ", ".join(f"{count} by {version}" for version, count in sorted(made.items()))
    first, last = predictions[0], predictions[-1]
    rows = [
        ("predictions", f"{len(predictions)}: {by}"),
        ("numbers", f"seq {first['seq']} to {last['seq']}, {gaps(predictions) or 'none'} missing"),
        ("inspector", f"called {said['right']} right and {said['wrong']} wrong"),
    ]
    return "\n".join(f"{name:12} {text}" for name, text in rows)


def _is_confirmed(one: Message, version: str) -> bool:
    return one.get("version") == version and (one.get("reason") or "").startswith("confirmed")
