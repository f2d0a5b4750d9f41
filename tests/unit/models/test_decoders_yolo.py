"""YOLO: both layouts, both units, and suppression that follows its definition."""

from __future__ import annotations

import numpy as np
import pytest
from decoding import IMAGE, decode, decoder_for, model_spec, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import ModelRefused
from agent.core.results import is_finite
from agent.models.decoders.nms import suppress
from agent.models.decoders.yolo import MAX_OBJECTS
from agent.models.placement import Placement

LABELS = ["bolt", "nut"]
# centre x, centre y, width, height; bolt, nut
ROWS = [
    [0.5, 0.5, 0.5, 0.25, 0.75, 0.1],
    [0.5, 0.5, 0.5, 0.25, 0.625, 0.1],  # the same bolt, weaker
    [0.5, 0.5, 0.5, 0.25, 0.1, 0.5],  # a nut at the same place
    [0.125, 0.25, 0.25, 0.5, 0.1, 0.9],
    [0.9, 0.9, 0.1, 0.1, 0.4, 0.3],  # too weak
    [0.9, 0.9, 0.1, 0.1, 0.0, 0.0],
    [0.9, 0.9, 0.1, 0.1, 0.0, 0.0],
]
EXPECTED = [
    ("nut", 0.9, [0.0, 0.0, 0.25, 0.5]),
    ("bolt", 0.75, [0.25, 0.375, 0.75, 0.625]),
    ("nut", 0.5, [0.25, 0.375, 0.75, 0.625]),
]


def v8(rows):
    return np.array(rows, np.float32).T[None]


def v5(rows, objectness=1.0):
    rows = np.array(rows, np.float32)
    return np.insert(rows, 4, objectness, axis=1)[None]


def told(result):
    return [(o.label, pytest.approx(o.score), pytest.approx(o.box)) for o in result.objects]


def test_the_layout_of_version_8():
    """Columns of box and class scores; the weaker of two boxes of one class goes, another class at the same place stays."""
    assert told(decode(model_spec("yolo"), v8(ROWS), labels=LABELS)) == EXPECTED


def test_the_layout_of_version_5():
    """Rows of box, objectness and class scores; the score is the product of the last two."""
    spec = model_spec("yolo", layout="v5", threshold=0.25)
    halved = [(label, score / 2, box) for label, score, box in EXPECTED]
    assert told(decode(spec, v5(ROWS, objectness=0.5), labels=LABELS)) == halved


def test_boxes_in_pixels_of_the_input():
    """An input of 128 x 64 pixels: x and width count in 128ths, y and height in 64ths."""
    _, height, width, _ = IMAGE.shape
    rows = np.array(ROWS) * [width, height, width, height, 1, 1]
    assert told(decode(model_spec("yolo", boxes="pixel"), v8(rows), labels=LABELS)) == EXPECTED


def test_boxes_are_those_of_the_source_frame():
    """Padding is taken out of the boxes after suppression."""
    result = decode(model_spec("yolo"), v8(ROWS), placement=Placement(left=0.25, width=0.5))
    assert result.objects[1].box == pytest.approx([0.0, 0.375, 1.0, 0.625])


def test_the_sigmoid_that_a_model_leaves_out_is_applied_to_scores_alone():
    """Logits of ln 3 are three quarters; boxes stay as they are."""
    rows = [[0.5, 0.5, 0.5, 0.25, np.log(3), -9.0]] * 7
    result = decode(model_spec("yolo", activation="sigmoid"), v8(rows))
    assert told(result) == [("0", 0.75, [0.25, 0.375, 0.75, 0.625])]


@pytest.mark.parametrize("layout", ["v5", "v8"])
def test_quantized_outputs_give_what_their_real_values_give(layout):
    """The order of raw values is that of the real ones, so looking for the best among raw ones changes nothing."""
    real = (v5 if layout == "v5" else v8)(ROWS)
    info = tensor(real.shape, "int8", 1 / 200, -128)
    raw = info.quantize(real)
    spec = model_spec("yolo", layout=layout)
    assert decode(spec, raw, infos=[info]) == decode(spec, info.dequantize(raw))


def test_an_empty_frame_has_no_objects():
    """No candidate reaches the threshold."""
    assert decode(model_spec("yolo"), v8(np.zeros((10, 6)))).objects == []


@pytest.mark.parametrize("layout", ["v5", "v8"])
@pytest.mark.parametrize("column", [0, 4, -1])
def test_no_number_is_never_no_object(layout, column):
    """NaN in a box of an object, in objectness or in a class score comes through to the result."""
    rows = np.zeros((12, 6))
    rows[:, :4] = 0.5
    rows[3, 4] = 0.9
    output = (v5 if layout == "v5" else v8)(rows)
    (output[0] if layout == "v5" else output[0].T)[3, column] = np.nan
    assert not is_finite(decode(model_spec("yolo", layout=layout), output))


def test_a_flood_of_boxes_is_bounded_and_keeps_the_strongest():
    """A model gone wild gives no more objects than a message can carry."""
    rng = np.random.default_rng(5)
    rows = np.concatenate((rng.random((5000, 2)), np.full((5000, 2), 1e-4), rng.uniform(0.5, 1, (5000, 1))), axis=1)
    scores = [o.score for o in decode(model_spec("yolo"), v8(rows)).objects]
    assert scores == np.sort(rows[:, 4].astype(np.float32))[::-1][:MAX_OBJECTS].tolist()


@st.composite
def candidates(draw):
    """Boxes on a coarse grid, so that they touch, contain and equal each other."""
    corner = st.integers(0, 8)
    box = st.tuples(corner, corner, corner, corner).map(
        lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
    )
    boxes = draw(st.lists(box, max_size=12))
    return np.array(boxes, np.float64).reshape(-1, 4), np.array([draw(st.integers(0, 1)) for _ in boxes], np.intp)


def intersection_over_union(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


@settings(max_examples=300)
@given(candidates(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_suppression_follows_its_definition(case, limit):
    """A box stays exactly if no stronger one that stays has its class and overlaps it by more than the limit."""
    boxes, classes = case
    kept: list[int] = []
    for k in range(len(boxes)):
        if all(classes[k] != classes[i] or intersection_over_union(boxes[i], boxes[k]) <= limit for i in kept):
            kept.append(k)
    assert suppress(boxes, classes, iou=limit, at_most=100) == kept
    assert suppress(boxes, classes, iou=limit, at_most=3) == kept[:3]


@pytest.mark.parametrize(
    ("layout", "outputs"),
    [
        ("v8", [tensor((1, 4, 8400))]),
        ("v8", [tensor((2, 84, 8400))]),
        ("v8", [tensor((1, 8400))]),
        ("v8", [tensor((1, 84, 8400)), tensor((1, 32))]),
        ("v8", [tensor((1, 8400, 84))]),
        ("v5", [tensor((1, 25200, 5))]),
        ("v5", [tensor((1, 85, 25200))]),
        ("v5", [tensor((1, 3, 80, 80, 85))]),
    ],
)
def test_outputs_of_another_layout_are_refused(layout, outputs):
    """Also where no label count would show that rows and columns are exchanged."""
    with pytest.raises(ModelRefused) as refused:
        decoder_for(model_spec("yolo", layout=layout), outputs)
    assert outputs[0].describe() in str(refused.value)
    assert f'layout = "{layout}"' in str(refused.value)


def test_labels_must_be_as_many_as_classes():
    """84 columns are 80 classes."""
    with pytest.raises(ModelRefused, match="2 labels for 80 classes"):
        decoder_for(model_spec("yolo"), [tensor((1, 84, 8400))], labels=LABELS)


def test_pixels_of_an_input_that_is_no_image_are_refused():
    """Without width and height, boxes in pixels cannot be placed."""
    with pytest.raises(ModelRefused, match=r"float32 \[1, 640\]"):
        decoder_for(model_spec("yolo", boxes="pixel"), [tensor((1, 6, 100))], inputs=[tensor((1, 640))])
