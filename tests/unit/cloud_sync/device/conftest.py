"""What must survive a crash is proved in tests/faults and in the store's own tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """An fsync costs 7 ms on a loaded machine, and a sync has a dozen."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
