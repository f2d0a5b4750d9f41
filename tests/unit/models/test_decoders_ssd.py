"""SSD: objects out of the four outputs of the post-processing operator."""

from __future__ import annotations

import numpy as np
import pytest
from decoding import decode, decoder_for, model_spec, tensor

from agent.core.errors import ModelRefused
from agent.core.results import is_finite
from agent.models.placement import Placement

LABELS = ["bolt", "nut"]
OUTPUTS = [tensor((1, 3, 4)), tensor((1, 3)), tensor((1, 3)), tensor((1,))]


def found(scores, *, classes=(0, 1, 0), count=3, **options):
    boxes = np.array([[[0.125, 0.25, 0.5, 0.75], [0.0, 0.0, 1.0, 0.5], [0.5, 0.5, 0.75, 1.0]]], np.float32)
    spec = options.pop("spec", model_spec("ssd"))
    raws = [boxes, np.array([classes], np.float32), np.array([scores], np.float32), np.array([count], np.float32)]
    order = spec.output.tensors or [0, 1, 2, 3]
    placed = [raws[order.index(place)] for place in range(4)]
    return decode(spec, *placed, labels=options.pop("labels", LABELS), **options)


def test_objects_come_with_labels_and_boxes_highest_first():
    """Boxes are turned from y, x to x, y; what is under the threshold is left out."""
    result = found([0.5, 0.75, 0.25])
    assert [(o.label, o.score, o.box) for o in result.objects] == [
        ("nut", 0.75, [0.0, 0.0, 0.5, 1.0]),
        ("bolt", 0.5, [0.25, 0.125, 0.75, 0.5]),
    ]


def test_only_as_many_slots_as_counted_hold_objects():
    """What lies behind `count` is left over from nothing."""
    assert [o.score for o in found([0.5, 0.75, 0.875], count=1).objects] == [0.5]


def test_nothing_found_is_an_empty_list():
    """An empty frame has no objects."""
    assert found([0, 0, 0], count=0).objects == []


def test_the_order_of_the_outputs_can_be_told():
    """Exports differ in their order; `tensors` says where boxes, classes, scores and count are."""
    spec = model_spec("ssd", tensors=[1, 3, 0, 2])
    assert found([0.5, 0.75, 0.25], spec=spec) == found([0.5, 0.75, 0.25])


def test_boxes_are_those_of_the_source_frame():
    """A letterboxed frame covers the middle half of the input; boxes are stretched back and clipped."""
    result = found([0, 0, 0.9], placement=Placement(top=0.25, height=0.5))
    assert result.objects[0].box == [0.5, 0.5, 1.0, 1.0]


def test_a_class_beyond_the_labels_is_named_by_its_number():
    """COCO has gaps, and label files end early."""
    assert [o.label for o in found([0.9, 0.8, 0.7], classes=(7, 1, 0)).objects] == ["7", "nut", "bolt"]
    assert [o.label for o in found([0.9, 0.8, 0.7], labels=None).objects] == ["0", "1", "0"]


@pytest.mark.parametrize(
    "options",
    [
        {"scores": [0.1, np.nan, 0.1]},
        {"scores": [0.9, 0.1, 0.1], "count": np.nan},
        {"scores": [0.1, 0.1, 0.1], "count": -np.inf},
        {"scores": [0.1, 0.1, 0.1], "classes": (0, np.nan, 1)},
        {"scores": [np.nan] * 3, "classes": [np.nan] * 3, "count": np.nan},
    ],
)
def test_no_number_is_never_no_object(options):
    """A model that gives NaN has not said that the frame is empty: the result shows it."""
    assert not is_finite(found(**options))


@pytest.mark.parametrize(
    "outputs",
    [
        OUTPUTS[:3],
        [OUTPUTS[1], OUTPUTS[0], *OUTPUTS[2:]],
        [tensor((1, 4, 4)), *OUTPUTS[1:]],
        [*OUTPUTS[:3], tensor((1, 3))],
    ],
)
def test_outputs_of_another_kind_are_refused(outputs):
    """The message lists the shapes that were found beside those that were expected."""
    with pytest.raises(ModelRefused) as refused:
        decoder_for(model_spec("ssd"), outputs)
    assert ", ".join(info.describe() for info in outputs) in str(refused.value)
    assert "boxes [1, n, 4], classes [1, n], scores [1, n], count [1]" in str(refused.value)


@pytest.mark.parametrize("places", [[0, 1, 2], [0, 1, 2, 4], [0, 1, 1, 3], [0, 1, 2, 3, 3], [0, 1, 2, -1]])
def test_places_that_are_not_there_are_refused(places):
    """`tensors` names four different outputs."""
    with pytest.raises(ModelRefused, match="places"):
        decoder_for(model_spec("ssd", tensors=places), OUTPUTS)


def test_without_labels_only_a_number_can_be_rejected():
    """A name that the model can never give would never reject."""
    assert decoder_for(model_spec("ssd", reject={"label": "43"}), OUTPUTS)
    with pytest.raises(ModelRefused, match="no labels"):
        decoder_for(model_spec("ssd", reject={"label": "bolt"}), OUTPUTS)
