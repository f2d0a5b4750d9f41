"""What becomes of a version that feedback has found better than the one at work."""

from __future__ import annotations

from agent.core.feedback import Feedback
from agent.core.sequential import needed

LEAD = needed(0.05)


def found_better(begun) -> None:
    """Feedback says so of frames on which it is less unsure than its predecessor; then it is in its canary."""
    begun.line.predicted("a", begun.old, "unsure", count=60)
    for name in begun.compare(60, active="unsure", candidate="accept")[:LEAD]:
        begun.line.life.words.feedback(Feedback(name, "wrong", decision="accept"))
    begun.line.turn(after_s=60)


def test_what_feedback_has_said_in_the_shadow_counts_on_in_the_states_after_it(begun):
    """It was said of the version and not of its state."""
    found_better(begun)
    assert begun.line.life.status()["m"]["state"] == "canary"
    assert begun.line.life.status()["m"]["counts"]["better"] == LEAD


def test_one_that_was_found_better_is_watched_by_what_it_has_decided_itself(begun):
    """What its predecessor decided is what it was found to be better than; what it never decided before is still told."""
    found_better(begun)
    line = begun.line
    line.predicted("a", begun.new, count=5)
    line.turn(after_s=30)
    line.predicted("a", begun.new, count=60)
    line.turn(after_s=61)
    assert line.life.status()["m"]["state"] == "active"
    assert line.see("a") == "1.1.0"
    line.predicted("a", begun.new, "reject", count=30)
    line.turn()
    assert line.see("a") == "1.0.0"
    assert line.moves[-1] == ("returned", "1.1.0")
