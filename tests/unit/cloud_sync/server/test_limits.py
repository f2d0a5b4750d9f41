"""How much one asker may ask."""

from __future__ import annotations

import pytest

from cloud_sync.registry.server.faults import RateLimited
from cloud_sync.registry.server.limits import Rate, RateLimit


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def test_a_burst_is_taken_and_then_a_steady_rate():
    """The refusal says when to come back, and then it is true."""
    clock = Clock()
    limit = RateLimit(Rate(2, 3), clock)
    for _ in range(3):
        limit.take("a")
    with pytest.raises(RateLimited) as refused:
        limit.take("a")
    assert refused.value.retry_after_s == pytest.approx(0.5)
    limit.take("b")
    clock.now_s += refused.value.retry_after_s
    limit.take("a")


def test_what_is_remembered_is_bounded():
    """The longest unseen is forgotten."""
    clock = Clock()
    limit = RateLimit(Rate(0.001, 1), clock, remembered=10)
    for n in range(1000):
        limit.take(f"asker {n}")
    assert len(limit._buckets) == 10
    with pytest.raises(RateLimited):
        limit.take("asker 999")
