"""A boundary among the frames of a source: before its mark nothing is after it, and then everything that is handed over later."""

from __future__ import annotations

from agent.core.boundary import Boundary, Handover


def test_the_first_frame_that_is_handed_over_after_the_mark_is_the_first_one_after_it():
    """Those that are with a pipeline already are before it."""
    handover = Handover()
    boundary = Boundary(handover)
    handover.begins(6)
    handover.ended()
    assert not boundary.lies_before(6)
    handover.begins(7)
    boundary.mark()
    handover.ended()
    assert [boundary.lies_before(index) for index in (6, 7, 8)] == [False] * 3
    handover.begins(8)
    assert [boundary.lies_before(index) for index in (7, 8, 9)] == [False, True, True]


def test_where_no_frame_comes_everything_from_before_it_has_come():
    """A camera that gives nothing holds up no swap; a frame that is being handed over does."""
    handover = Handover()
    boundary = Boundary(handover)
    assert not boundary.all_came(), "it is not marked"
    handover.begins(0)
    boundary.mark()
    assert not boundary.all_came()
    handover.ended()
    assert boundary.all_came()


def test_two_boundaries_before_one_frame_lie_at_that_frame():
    """A version that became active and is returned from while nothing comes."""
    handover = Handover()
    first, second = Boundary(handover), Boundary(handover)
    first.mark()
    second.mark()
    handover.begins(3)
    assert (first.first, second.first) == (3, 3)
