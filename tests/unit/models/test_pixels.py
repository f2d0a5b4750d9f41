"""From pixels to the input tensor: exact by table, in place, in the right colour and the right place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from decoding import tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import ModelRefused
from agent.models.pixels import PADDING, ImageInput, quantization_table
from agent.models.placement import Placement
from agent.models.spec import InputSpec

DTYPES = ["uint8", "int8", "int16", "float16", "float32"]
UNIT = {"scale": 1 / 255, "zero_point": -128}
EVERY_PIXEL = np.arange(256, dtype=np.uint8).reshape(16, 16)
EVERY_COLOR = np.stack([EVERY_PIXEL, EVERY_PIXEL.T, EVERY_PIXEL[::-1]], axis=-1)


def filled(spec, info, pixels):
    """The tensor after one frame."""
    destination = np.zeros(info.shape, info.dtype)
    ImageInput(spec, info).fill(pixels, destination)
    return destination


def reference(pixels, spec, info):
    """What the formula says of each pixel, worked out pixel by pixel in float64, with no table."""
    real = (pixels.astype(np.float64) - np.array(spec.mean)) / np.array(spec.std)
    if info.dtype.startswith("float"):
        return real.astype(info.dtype)
    scale, zero_point = (info.scales[0], info.zero_points[0]) if info.scales else (1.0, 0)
    limits = np.iinfo(info.dtype)
    return np.clip(np.rint(real / scale) + zero_point, limits.min, limits.max).astype(info.dtype)


@st.composite
def normalizations(draw):
    """(spec, tensor): any mean and std of one or three values; any scale and zero point; every type."""
    dtype = draw(st.sampled_from(DTYPES))
    color = draw(st.sampled_from(["rgb", "bgr", "gray"]))
    channels = 1 if color == "gray" else 3
    mean = draw(
        st.lists(st.floats(-50, 300), min_size=1, max_size=1)
        | st.lists(st.floats(-50, 300), min_size=channels, max_size=channels)
    )
    std = draw(
        st.lists(st.floats(0.25, 300), min_size=1, max_size=1)
        | st.lists(st.floats(0.25, 300), min_size=channels, max_size=channels)
    )
    scale, zero_point = None, 0
    if not dtype.startswith("float"):
        limits = np.iinfo(dtype)
        # Between the darkest and the brightest pixel lie at least two steps, as in any model that sees.
        scale = draw(st.floats(1e-5, min(255 / s for s in std) / 2)) if draw(st.booleans()) else 1 / 255
        zero_point = draw(st.integers(int(limits.min), int(limits.max)))
    return InputSpec(mean=mean, std=std, color=color), tensor((1, 16, 16, channels), dtype, scale, zero_point)


@settings(max_examples=400)
@given(normalizations())
def test_the_table_equals_the_formula_bit_for_bit(case):
    """Every value of a pixel, in every channel, is what the float reference gives, whatever mean, std, scale and type."""
    spec, info = case
    frame = EVERY_PIXEL if spec.color == "gray" else EVERY_COLOR
    expected = reference(
        {"rgb": EVERY_COLOR[..., ::-1], "bgr": EVERY_COLOR, "gray": EVERY_PIXEL[..., None]}[spec.color], spec, info
    )
    try:
        actual = filled(spec, info, frame)[0]
    except ModelRefused:
        assert any(len(np.unique(expected[..., c])) == 1 for c in range(expected.shape[-1]))
        return
    assert actual.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("spec", "info"),
    [
        (InputSpec(), tensor((1, 16, 16, 3), "uint8", 1 / 255, 0)),
        (InputSpec(mean=[128], std=[128]), tensor((1, 16, 16, 3), "uint8", 1 / 128, 128)),
        (InputSpec(), tensor((1, 16, 16, 3), "int8", 1 / 255, -128)),
        (InputSpec(mean=[127.5], std=[127.5]), tensor((1, 16, 16, 3), "int8", 2 / 255, -1)),
        (InputSpec(mean=[0], std=[1]), tensor((1, 16, 16, 3), "int8", 1.0, -128)),
        (InputSpec(mean=[0], std=[1]), tensor((1, 16, 16, 3), "uint8")),
        (InputSpec(), tensor((1, 16, 16, 3), "int16", 1 / 32768, 0)),
        (InputSpec(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]), tensor((1, 16, 16, 3), "float32")),
    ],
    ids=lambda value: f"{value.mean}/{value.std}" if isinstance(value, InputSpec) else value.describe(),
)
def test_the_usual_exports_are_exact(spec, info):
    """Identity, sign bit and table: the normalisations that exporters use give the reference, bit for bit."""
    assert np.array_equal(filled(spec, info, EVERY_COLOR)[0], reference(EVERY_COLOR[..., ::-1], spec, info))


def test_flipping_the_sign_bit_is_not_what_a_symmetric_input_wants():
    """For inputs in [-1, 1] the table differs from v ^ 0x80 on half the codes, so the short cut must not be taken."""
    table = quantization_table([127.5], [127.5], tensor((1, 1, 1, 1), "int8", 2 / 255, -1))
    flipped = (np.arange(256, dtype=np.uint8) ^ 0x80).view(np.int8)
    assert np.count_nonzero(table[:, 0] != flipped) == 128
    assert np.abs(table[:, 0].astype(int) - flipped).max() == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("color", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("frame_shape", [(60, 90, 3), (90, 60, 3), (60, 90), (8, 8, 3), (1, 500, 3), (500, 1)])
def test_the_interpreters_own_buffer_is_written_and_nothing_around_it(dtype, color, fit, frame_shape):
    """Frames of any size and colour land in the very memory that was given, whole, and not a byte beyond."""
    channels = 1 if color == "gray" else 3
    info = tensor((1, 24, 32, channels), dtype, None if dtype.startswith("float") else 1 / 255)
    arena = np.zeros((3, 24, 32, channels), dtype)
    arena[:] = 77
    pixels = np.full(frame_shape, 200, np.uint8)
    spec = InputSpec(color=color, fit=fit)
    ImageInput(spec, info).fill(pixels, arena[1:2])
    seen = set(np.unique(arena[1]).tolist())
    possible = np.array([200, PADDING] if fit == "letterbox" else [200], np.uint8)
    assert seen <= set(reference(possible, spec, info).tolist())
    assert reference(np.uint8(200), spec, info).item() in seen
    assert (arena[[0, 2]] == 77).all()


@pytest.mark.parametrize("interpolation", ["linear", "area", "nearest"])
def test_the_picture_is_resized_first_and_its_colour_converted_after(interpolation):
    """The result is OpenCV's own resize with the interpolation asked for, then the channels in the model's order."""
    pixels = np.random.default_rng(7).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    code = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "nearest": cv2.INTER_NEAREST}[interpolation]
    expected = cv2.resize(pixels, (20, 10), interpolation=code)[..., ::-1]
    spec, info = InputSpec(interpolation=interpolation), tensor((1, 10, 20, 3), "uint8", 1 / 255, 0)
    assert np.array_equal(filled(spec, info, pixels)[0], expected)


def test_a_gray_camera_serves_a_colour_model():
    """Each channel gets the gray value."""
    actual = filled(InputSpec(color="rgb"), tensor((1, 16, 16, 3), "uint8", 1 / 255, 0), EVERY_PIXEL)[0]
    assert (actual == EVERY_PIXEL[..., None]).all()


def test_a_colour_camera_serves_a_gray_model():
    """Gray is OpenCV's luma of the resized picture."""
    actual = filled(InputSpec(color="gray"), tensor((1, 16, 16, 1), "uint8", 1 / 255, 0), EVERY_COLOR)[0, ..., 0]
    assert np.array_equal(actual, cv2.cvtColor(EVERY_COLOR, cv2.COLOR_BGR2GRAY))


def test_letterbox_pads_with_grey_on_both_sides():
    """A wide frame has bands of the padding value above and below, and is whole between them."""
    pixels = np.full((50, 100, 3), 255, np.uint8)
    rows = filled(InputSpec(fit="letterbox"), tensor((1, 40, 40, 3), "uint8", 1 / 255, 0), pixels)[0, :, 0, 0]
    assert rows.tolist() == [PADDING] * 10 + [255] * 20 + [PADDING] * 10


def test_a_camera_may_change_its_size_and_colour():
    """Nothing of the frames before is left in the padding when the geometry changes."""
    info, spec = tensor((1, 40, 40, 3), "int8", **UNIT), InputSpec(fit="letterbox")
    one, destination = ImageInput(spec, info), np.zeros((1, 40, 40, 3), np.int8)
    for shape in [(50, 100, 3), (100, 50, 3), (100, 50), (40, 40, 3), (50, 100, 3)]:
        pixels = np.full(shape, 9, np.uint8)
        one.fill(pixels, destination)
        assert np.array_equal(destination, filled(spec, info, pixels))


@settings(max_examples=60)
@given(
    fit=st.sampled_from(["stretch", "letterbox", "crop"]),
    height=st.integers(80, 300),
    width=st.integers(80, 300),
    x=st.integers(-15, 15),
    y=st.integers(-15, 15),
)
def test_an_object_in_the_input_is_found_where_it_was_in_the_frame(fit, height, width, x, y):
    """A white square is drawn in the frame, found in the input, and mapped back to within a pixel of the input."""
    left, top, side = width // 2 - 20 + x, height // 2 - 20 + y, 40
    pixels = np.zeros((height, width), np.uint8)
    pixels[top : top + side, left : left + side] = 255
    info, destination = tensor((1, 96, 64, 1), "uint8", 1 / 255, 0), np.zeros((1, 96, 64, 1), np.uint8)
    spec = InputSpec(color="gray", fit=fit, interpolation="nearest")
    placement = ImageInput(spec, info).fill(pixels, destination)
    rows, columns = np.nonzero(destination[0, ..., 0] == 255)
    found = np.array([[columns.min() / 64, rows.min() / 96, (columns.max() + 1) / 64, (rows.max() + 1) / 96]])
    true = np.array([left, top, left + side, top + side]) / [width, height, width, height]
    read = placement.to_source(np.array([[0.0, 0.0, 1.0, 1.0]]))[0]
    true = np.clip(true, read[[0, 1, 0, 1]], read[[2, 3, 2, 3]])  # a crop cannot show what it cuts off
    pixel = np.array([1 / 64 / placement.width, 1 / 96 / placement.height] * 2)
    assert (np.abs(placement.to_source(found)[0] - true) <= pixel + 1e-9).all()  # 1e-9: what float64 may round


def test_a_stretched_frame_fills_the_input():
    """Without letterbox or crop, boxes need no mapping."""
    info = tensor((1, 8, 8, 3), "float32")
    assert ImageInput(InputSpec(), info).fill(EVERY_COLOR, np.zeros(info.shape, np.float32)) == Placement()


@pytest.mark.parametrize(
    ("spec", "info", "said"),
    [
        (InputSpec(), tensor((1, 640), "int8"), ["int8 [1, 640]", "[1, height, width, 1 or 3]"]),
        (InputSpec(), tensor((1, 3, 32, 32), "int8"), ["int8 [1, 3, 32, 32]", "[1, height, width, 1 or 3]"]),
        (InputSpec(), tensor((2, 32, 32, 3), "int8"), ["int8 [2, 32, 32, 3]"]),
        (InputSpec(), tensor((1, -1, 32, 3), "int8"), ["int8 [1, -1, 32, 3]"]),
        (
            InputSpec(),
            tensor((1, 32, 32, 3), "int32"),
            ["int32 [1, 32, 32, 3]", "uint8, int8, int16, float16, float32"],
        ),
        (InputSpec(), tensor((1, 32, 32, 1), "int8", **UNIT), ["[1, 32, 32, 1]", "'rgb'", "3 channels"]),
        (InputSpec(color="gray"), tensor((1, 32, 32, 3), "int8", **UNIT), ["[1, 32, 32, 3]", "'gray'", "1 channels"]),
        (InputSpec(mean=[1, 2]), tensor((1, 32, 32, 3), "int8", **UNIT), ["input.mean has 2 values", "1 or 3"]),
        (InputSpec(std=[1, 2, 3]), tensor((1, 8, 8, 1), "int8", **UNIT), ["'rgb'"]),
        (InputSpec(std=[1e9]), tensor((1, 8, 8, 3), "int8", **UNIT), ["become -128, -128 … -128"]),
        (InputSpec(std=[1e-3]), tensor((1, 8, 8, 3), "float16"), ["inf"]),
    ],
)
def test_a_tensor_that_frames_cannot_fill_is_refused(spec, info, said):
    """The message says what was found and what was expected, the hint what to do."""
    with pytest.raises(ModelRefused) as refused:
        ImageInput(spec, info)
    assert [part for part in said if part not in str(refused.value)] == []
    assert refused.value.hint


def test_a_normalisation_that_blinds_the_model_can_be_seen():
    """An input that takes raw pixel values, given values in 0..1, tells two of 256 apart; done right, all of them."""
    raw_pixels = tensor((1, 32, 32, 3), "int8", 1.0, -128)
    assert ImageInput(InputSpec(), raw_pixels).distinct_values == 2
    assert ImageInput(InputSpec(std=[1.0]), raw_pixels).distinct_values == 256


def test_a_buffer_of_another_shape_is_an_error():
    """OpenCV would write elsewhere without a word."""
    one = ImageInput(InputSpec(), tensor((1, 8, 8, 3), "uint8", 1 / 255, 0))
    with pytest.raises(ValueError, match="destination is uint8"):
        one.fill(EVERY_COLOR, np.zeros((1, 9, 9, 3), np.uint8))
