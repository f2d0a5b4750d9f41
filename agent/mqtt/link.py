"""What may become of a connection, and what to do next. Pure: `Retry` is told of faults and answers; it neither waits nor connects.

Called by the publisher's thread; the listener uses the faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.core.backoff import Backoff
from agent.core.errors import BrokerUnreachable

if TYPE_CHECKING:
    import random

Protocol = Literal["5", "3.1.1"]
State = Literal["connecting", "connected", "away", "refused", "taken_over"]
FaultKind = Literal["unreachable", "silent", "unanswered", "protocol", "refused", "taken_over", "lost"]

STABLE_S = 5.0
"""A connection that lasted so long worked; a shorter one counts as a failed try."""
QUIET_S = 600.0
"""A connection that lasted so long was not fought over."""
_FIRST_TRIES = 27
"""So many times the first connection is tried for every 0.25 to 0.5 s, which is 10 s if the broker says no at once."""
_CUTS_TO_DUEL = 3
_SILENT_TO_SWITCH = 2


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the connection to the broker stands.

    Attributes:
        state: `connecting` until the first answer; `away`: tried again within 30 s; `refused` (user, password, certificate) and
            `taken_over` (another client uses our client id): tried again slowly, a person must act.
        sentence: The same for a person, without secrets.
    """

    state: State
    sentence: str


class LinkFault(BrokerUnreachable):
    """A connection did not come about, or ended.

    Attributes:
        kind: `unreachable`: no connection. `silent`: closed in place of an answer to CONNECT. `unanswered`: neither. `protocol`: the broker does not
            speak this version of MQTT. `refused`: it does not want us, or we do not trust it. `taken_over`: another
            client came with our client id. `lost`: it worked and was cut.
    """

    def __init__(self, kind: FaultKind, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class NextTry:
    """What to do after a fault.

    Attributes:
        link: What to show until then.
        delay_s: How long to wait.
    """

    link: LinkState
    delay_s: float


class Retry:
    """Remembers the faults of one link, and with that when and how to try again. One thread."""

    def __init__(self, *, rng: random.Random | None = None) -> None:
        self.protocol: Protocol = "5"
        self._has_worked = False
        self._first = Backoff(0.5, 0.5, rng=rng)
        self._away = Backoff(0.5, 30.0, rng=rng)
        self._cut_short = Backoff(0.2, 4.0, rng=rng)
        self._refused = Backoff(60.0, 300.0, rng=rng)
        self._taken_over = Backoff(120.0, 300.0, rng=rng)
        self._maybe_taken_over = Backoff(10.0, 60.0, rng=rng)
        self._was_told = False  # the broker itself said that it does not speak MQTT 5
        self._silent = 0
        self._cuts = 0

    def after(self, fault: LinkFault, worked_s: float | None, *, owed: bool = False) -> NextTry:
        """What to do now.

        Args:
            fault: What happened.
            worked_s: How long the connection had worked, or None if it did not come about.
            owed: The broker owed us a confirmation when it cut the connection.

        Returns:
            The next try; `protocol` is the version to try with. Delays, all with jitter: 0.25 to 30 s while the broker is away,
            0.25 to 0.5 s at first if it never was there, 0.1 to 4 s if it is there and cuts us, 30 to 300 s if it refuses us, 60
            to 300 s if it says that another client has our id, 5 to 60 s if it only looks so: a broker that falls over again and again does too.
        """
        if worked_s is not None:
            self._it_worked(worked_s)
        is_short = fault.kind == "lost" and worked_s is not None and worked_s < STABLE_S
        self._cuts = self._cuts + 1 if is_short and not owed else 0
        match fault.kind:
            case "taken_over":
                return NextTry(LinkState("taken_over", str(fault)), self._taken_over.next_s())
            case "refused":
                return NextTry(LinkState("refused", str(fault)), self._refused.next_s())
            case "protocol":
                return self._after_no(fault)
            case "lost" if self._cuts >= _CUTS_TO_DUEL:
                # MQTT 3.1.1 has no word for it, and mosquitto 2.0.11 does not say it in MQTT 5 either. A bad network looks the same.
                sentence = f"{fault}, {self._cuts} times in a row right after connecting; another client has our client id, we may not publish there, or the network is bad"
                return NextTry(LinkState("taken_over", sentence), self._maybe_taken_over.next_s())
            case "lost" if is_short:
                # Soon, to see whether the broker is still there: if it is not, this was no other client.
                return NextTry(LinkState("away", str(fault)), self._cut_short.next_s())
            case "silent" | "unanswered":
                self._silent += 1 if fault.kind == "silent" else _SILENT_TO_SWITCH
                if self._silent >= _SILENT_TO_SWITCH:
                    self._silent = 0
                    self.protocol = "3.1.1" if self.protocol == "5" else "5"
            case _:
                self._cut_short.reset()
        return NextTry(LinkState("away", str(fault)), self._away_s())

    def _away_s(self) -> float:
        """A broker that starts together with us is awaited for 5 s before the first frame (design, section 4.2)."""
        is_eager = not self._has_worked and self._first.tries < _FIRST_TRIES
        return (self._first if is_eager else self._away).next_s()

    def _it_worked(self, worked_s: float) -> None:
        self._has_worked = True
        self._silent = 0
        self._away.reset()
        self._refused.reset()
        if worked_s >= STABLE_S:
            self._cut_short.reset()
            self._maybe_taken_over.reset()
            if not self._was_told:
                self.protocol = "5"
        if worked_s >= QUIET_S:
            self._taken_over.reset()

    def _after_no(self, fault: LinkFault) -> NextTry:
        if self.protocol == "5":
            self.protocol, self._was_told = "3.1.1", True
            return NextTry(LinkState("connecting", str(fault)), 0.0)
        self.protocol, self._was_told = "5", False
        return NextTry(LinkState("refused", str(fault)), self._refused.next_s())
