"""What a device tells its registry: what runs, what happened, what went wrong. Signed, numbered, kept until it is taken.

Updates never wait for any of this.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloud_sync import envelope
from cloud_sync.device.enrol import ADMITTED, Desk, enrol, enrolment, send_report
from cloud_sync.device.times import read_time, written
from cloud_sync.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from securesystemslib.signer import CryptoSigner

    from cloud_sync.device.journal import Journal
    from cloud_sync.device.order import Order, Outcome

SCHEMA = "lineside.report/1"
HEARTBEAT = timedelta(hours=1)
"""After so long a device says that nothing has changed."""
ASK_AGAIN = timedelta(minutes=10)
"""Who waits for an operator does not ask at each poll."""
MOST_EVENTS = 100
"""Of one report; the oldest are left out."""
_LONGEST_TEXT = 500
_NUMBER, _MADE, _CONTENT, _ASKED = "report_number", "report_made_at", "report_content", "enrolment_asked_at"


def keep_report(
    journal: Journal,
    signer: CryptoSigner,
    order: Order,
    outcome: Outcome,
    events: Sequence[Mapping[str, Any]],
    now: datetime,
) -> int | None:
    """Make a report if there is something to say, and keep it.

    Args:
        journal: Where it is kept.
        signer: The device's.
        order: What runs and what happened, as the agent says.
        outcome: How the sync ended.
        events: What happened in the sync.
        now: For `sent_at`.

    Returns:
        Its number, or None if nothing is to be said.
    """
    new = {_sha256(event): _plain(event) for event in (*order.events, *events)}
    new = {sha256: event for sha256, event in new.items() if not journal.was_told(sha256)}
    body = {"runs": _plain(order.runs), "error": _plain(outcome.error)}
    same = _sha256(body)
    made_at = journal.value(_MADE)
    is_due = made_at is None or not timedelta(0) <= now - read_time(made_at) < HEARTBEAT
    if not new and not is_due and same == journal.value(_CONTENT):
        return None
    number = _next_number(journal, now)
    payload = {
        "schema": SCHEMA,
        "device": order.device,
        "number": number,
        "sent_at": written(now),
        "events": list(new.values())[-MOST_EVENTS:],
        **body,
    }
    values = {_MADE: written(now), _CONTENT: same}
    journal.add_report(number, envelope.seal(payload, signer), list(new), values)
    return number


def send(desk: Desk, journal: Journal, signer: CryptoSigner, order: Order, now: datetime) -> None:
    """Hand over what was kept, and enrol first where that is still to be done.

    A report that is refused though the device is admitted was taken before, and its answer lost; it is forgotten.

    Raises:
        Refused, Untrusted, Unreachable: The rest stays for the next time.
    """
    if not _is_admitted(desk, journal, signer, order, now):
        return
    for number, content in journal.reports():
        try:
            send_report(desk, content)
        except Refused as error:
            if enrol(desk, journal, signer, order) != ADMITTED:
                return
            journal.note("report-refused", number=number, reason=str(error)[:300])
        journal.drop_report(number)


def _is_admitted(desk: Desk, journal: Journal, signer: CryptoSigner, order: Order, now: datetime) -> bool:
    if enrolment(journal) == ADMITTED and order.enrol_token is None:
        return True
    asked_at = journal.value(_ASKED)
    is_early = asked_at is not None and timedelta(0) <= now - read_time(asked_at) < ASK_AGAIN
    if is_early and order.enrol_token is None:
        return False
    state = enrol(desk, journal, signer, order)
    journal.set_value(_ASKED, written(now))
    return state == ADMITTED


def _next_number(journal: Journal, now: datetime) -> int:
    """One more than the last. The first one is the time: a device that lost its journal goes on above what it said before."""
    last = journal.value(_NUMBER)
    return int(now.timestamp()) if last is None else int(last) + 1


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(data), sort_keys=True).encode()).hexdigest()


def _plain(data: Any) -> Any:
    """As signed JSON can hold it: no floating-point numbers, no endless texts."""
    if isinstance(data, dict):
        return {str(key)[:_LONGEST_TEXT]: _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    if data is None or isinstance(data, (bool, int)):
        return data
    return str(data)[:_LONGEST_TEXT]
