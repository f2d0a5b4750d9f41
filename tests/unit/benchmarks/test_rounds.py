"""Contestants take turns, ratios are formed within a round, and one that is missing holds up nobody."""

from __future__ import annotations

from benchmarks.harness.figures import NotMeasured, at_least
from benchmarks.harness.rounds import Rounds, interleave


def test_contestants_take_turns():
    """A B A B, never A A B B."""
    order = []

    def contestant(name):
        return lambda: (order.append(name), {"fps": 1.0})[1]

    interleave(2, {"a": contestant("a"), "b": contestant("b")})
    assert order == ["a", "b", "a", "b"]


def test_a_ratio_is_formed_within_its_round():
    """A machine that slows down by half for one round leaves the ratio as it is."""
    rounds = Rounds({"agent": [{"fps": 90.0}, {"fps": 45.0}], "bare": [{"fps": 100.0}, {"fps": 50.0}]})
    figure = rounds.ratio("fps", "agent", "bare", at_least(0.97))
    assert figure.values == (0.9, 0.9)
    assert figure.parts == {"agent fps": (90.0, 45.0), "bare fps": (100.0, 50.0)}


def test_a_peer_that_is_missing_is_asked_once_and_the_rest_goes_on():
    """Its figure says why; the others have all their rounds."""
    asked = []

    def missing():
        asked.append(1)
        raise NotMeasured("no wheel for this machine")

    rounds = interleave(3, {"agent": lambda: {"fps": 90.0}, "peer": missing, "bare": lambda: {"fps": 100.0}})
    assert len(asked) == 1
    assert rounds.ratio("fps", "agent", "bare").values == (0.9, 0.9, 0.9)
    assert rounds.ratio("fps", "agent", "peer").reason == "peer: no wheel for this machine"


def test_a_peer_that_fails_in_a_later_round_gives_no_figure():
    """Fewer rounds than asked for would look like all of them."""
    answers = iter([{"fps": 1.0}])

    def fails_at_last():
        for answer in answers:
            return answer
        raise NotMeasured("it crashed")

    rounds = interleave(2, {"agent": lambda: {"fps": 1.0}, "peer": fails_at_last})
    assert rounds.ratio("fps", "agent", "peer").verdict == "not measured"


def test_a_difference_is_formed_within_its_round():
    """As memory of two models less memory of one."""
    rounds = Rounds({"two": [{"MB": 110.0}, {"MB": 113.0}], "one": [{"MB": 100.0}, {"MB": 101.0}]})
    assert rounds.difference("MB", "two", "one", "MB", name="each further").values == (10.0, 12.0)


def test_a_missing_peer_leaves_an_absolute_figure_without_its_company():
    """The figure itself was measured."""
    rounds = Rounds({"agent": [{"p50": 0.7}], "paho": []}, {"paho": "not installed"})
    figure = rounds.absolute("p50", "agent", "ms", beside=["paho"])
    assert (figure.values, dict(figure.parts)) == ((0.7,), {})
