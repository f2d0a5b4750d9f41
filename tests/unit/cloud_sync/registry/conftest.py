"""A registry for each test: copied from one that was made once. What must survive a crash is proved in tests/faults."""

from __future__ import annotations

import os

import pytest
from registering import Site


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """An fsync costs 7 ms on a loaded machine, and a change has a dozen."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def empty_original(tmp_path_factory):
    made = Site.make(tmp_path_factory.mktemp("empty"))
    made.registry.close()
    return made


@pytest.fixture(scope="session")
def solar_original(empty_original, tmp_path_factory):
    made = empty_original.copy(tmp_path_factory.mktemp("solar"))
    made.add_model("solar-cell")
    made.publish("solar-cell", "1.0.0", 1, {"model.tflite": b"first", "labels.txt": b"a\nb\n"}, "stable")
    made.registry.close()
    return made


@pytest.fixture
def site(empty_original, tmp_path):
    """Without any model."""
    made = empty_original.copy(tmp_path)
    yield made
    made.registry.close()


@pytest.fixture
def solar(solar_original, tmp_path):
    """With a model that has a first version on the channel `stable`."""
    made = solar_original.copy(tmp_path)
    yield made
    made.registry.close()
