"""A password in an address is shown to nobody."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.redact import without_password

names = st.text(st.characters(categories=["L", "N"]), min_size=1)
passwords = st.text(min_size=1)


@given(st.sampled_from(["rtsp", "http", "mqtts"]), names, passwords)
def test_a_quoted_password_is_replaced_and_the_rest_stays(scheme, user, password):
    """An address as it should be written."""
    shown = without_password(f"{scheme}://{user}:{quote(password, safe='')}@cam-3:554/stream?channel=1")
    assert shown == f"{scheme}://{user}:***@cam-3:554/stream?channel=1"


@given(names, passwords)
def test_a_raw_password_is_hidden_whatever_it_holds(user, password):
    """With `/`, `?`, `@`, `:` or a line end inside, as people write it."""
    shown = without_password(f"rtsp://{user}:{password}@cam-3/stream")
    assert shown == f"rtsp://{user}:***@cam-3/stream"


@given(names, passwords)
def test_hiding_twice_changes_nothing_more(user, password):
    """A message may be built from an address that is already safe."""
    once = without_password(f"rtsp://{user}:{password}@cam-3/stream")
    assert without_password(once) == once


@pytest.mark.parametrize("key", ["password", "passwd", "PASS", "pwd", "token", "api_key", "secret"])
def test_a_password_among_the_parameters_is_hidden(key):
    """Cameras take it in the query, and in the path."""
    assert without_password(f"http://cam/video?user=u&{key}=geheim&x=1") == f"http://cam/video?user=u&{key}=***&x=1"
    assert without_password(f"rtsp://cam/user=u&{key}=geheim&x=1") == f"rtsp://cam/user=u&{key}=***&x=1"


@pytest.mark.parametrize(
    "plain",
    ["0", "/dev/video0", "parts/a:b@c.mp4", "rtsp://cam:554/stream", "rtsp://user@cam/stream", "http://[::1]/x", ""],
)
def test_what_has_no_password_stays(plain):
    """Devices, paths, and addresses with a port or a user only."""
    assert without_password(plain) == plain
