"""What of a file is sent to whom (RFC 9110)."""

from __future__ import annotations

import pytest

from cloud_sync.registry.server.conditional import Part, Unsatisfiable, has_it, part_asked_for

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("if_none_match", "holds"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        ('"abcd"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_who_holds_the_content_is_told_so(if_none_match, holds):
    """Compared weakly, in a list too."""
    assert has_it(if_none_match, ETAG) == holds


@pytest.mark.parametrize(
    ("range_", "part"),
    [
        (None, None),
        ("bytes=0-0", Part(0, 1)),
        ("bytes=3-", Part(3, 7)),
        ("bytes=3-99", Part(3, 7)),
        ("bytes=-4", Part(6, 4)),
        ("bytes=-99", Part(0, 10)),
        ("bytes=0-1,4-5", None),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
        ("bytes=0-" + "9" * 30, None),
    ],
)
def test_a_range_is_a_part_and_what_is_not_understood_is_the_whole(range_, part):
    """Of ten bytes."""
    assert part_asked_for(range_, None, ETAG, 10) == part


@pytest.mark.parametrize("range_", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(range_):
    """With 416, so that nobody takes the whole for the rest."""
    with pytest.raises(Unsatisfiable):
        part_asked_for(range_, None, ETAG, 10)


@pytest.mark.parametrize("if_range", ['"old"', 'W/"abc"', "Sat, 28 Nov 2026 13:00:00 GMT"])
def test_a_part_of_another_content_is_never_sent(if_range):
    """`If-Range` holds for the same strong ETag only."""
    assert part_asked_for("bytes=3-", if_range, ETAG, 10) is None
    assert part_asked_for("bytes=3-", ETAG, ETAG, 10) == Part(3, 7)
