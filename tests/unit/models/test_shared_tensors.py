"""Memory that two processes see."""

from __future__ import annotations

import os

import numpy as np
import pytest

from agent.models.shared_tensors import SharedTensors, new_memory, size_bytes

FORMS = [("uint8", (1, 3, 5)), ("float32", ()), ("int64", (0, 4)), ("bool", (7,))]


@pytest.fixture
def memory():
    descriptor = new_memory()
    yield descriptor
    os.close(descriptor)


def test_what_one_side_writes_the_other_reads(memory):
    """Each tensor in its own place, scalars and empty ones included."""
    os.ftruncate(memory, size_bytes(FORMS))
    ours, theirs = SharedTensors(memory, FORMS), SharedTensors(memory, FORMS)
    for number, tensor in enumerate(ours.tensors):
        tensor[...] = number + 1
    read = [(tensor.dtype.name, tensor.shape, set(tensor.ravel().tolist())) for tensor in theirs.tensors]
    ours.close()
    theirs.close()
    assert read == [
        ("uint8", (1, 3, 5), {1}),
        ("float32", (), {2.0}),
        ("int64", (0, 4), set()),
        ("bool", (7,), {True}),
    ]


def test_the_first_tensors_stay_where_they_are_when_more_follow(memory):
    """So the inputs need not be written again when the outputs have other shapes."""
    os.ftruncate(memory, size_bytes(FORMS))
    few, more = SharedTensors(memory, FORMS[:1]), SharedTensors(memory, FORMS)
    few.tensors[0][...] = np.arange(15).reshape(1, 3, 5)
    assert more.tensors[0].ravel().tolist() == list(range(15))
    few.close()
    more.close()


def test_memory_that_is_too_small_is_told(memory):
    """A side that says more than it has is not believed."""
    with pytest.raises(ValueError, match="greater than file size"):
        SharedTensors(memory, FORMS)


def test_nobody_can_take_the_memory_from_under_the_other(memory):
    """A child gone wild could end us by SIGBUS otherwise."""
    os.ftruncate(memory, 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
