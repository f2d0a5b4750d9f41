"""The verb `sync`: a nudge, and no way around the maintenance window."""

from __future__ import annotations

import pytest

from agent.commands.request import Refused
from agent.commands.verbs import Sync
from agent.core.messages import SyncResult


def test_it_asks_for_a_look_and_says_whether_that_waits_for_the_window():
    """What comes of it is told by the models' own topics."""
    assert Sync(lambda: (3, True))({}) == SyncResult(number=3, outside_window=True)


@pytest.mark.parametrize(
    ("nudge", "arguments", "reason"),
    [(None, {}, "not_applicable"), (lambda: (1, False), {"at_any_time": True}, "malformed")],
)
def test_what_cannot_be_done_is_refused(nudge, arguments, reason):
    """Without a registry there is nothing to look at; what is not known is not passed over."""
    with pytest.raises(Refused) as caught:
        Sync(nudge)(arguments)
    assert caught.value.reason == reason
