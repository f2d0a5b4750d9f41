"""Tensors: between raw integers and real values, and across a process boundary."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.models.tensors import TensorInfo

SCALES = st.floats(2.0**-20, 2.0**10, width=32)
INTEGERS = st.sampled_from(["uint8", "int8", "int16"])


def test_a_quantized_value_is_its_distance_from_the_zero_point_times_the_scale():
    """real = scale * (raw - zero_point)."""
    info = TensorInfo("t", (4,), "int8", (0.5,), (-128,))
    real = info.dequantize(np.array([-128, -127, 0, 127], np.int8))
    assert real.dtype == np.float32
    assert real.tolist() == [0.0, 0.5, 64.0, 127.5]


def test_each_channel_has_its_own_scale_along_the_quantized_dimension():
    """Per-channel scales run along `quantized_dimension` and nowhere else."""
    info = TensorInfo("t", (2, 3), "int8", (1.0, 2.0, 4.0), (0, 1, 2), quantized_dimension=1)
    raw = np.array([[1, 2, 3], [5, 5, 5]], np.int8)
    assert info.dequantize(raw).tolist() == [[1.0, 2.0, 4.0], [5.0, 8.0, 12.0]]
    assert np.array_equal(info.quantize(info.dequantize(raw)), raw)


def test_a_float_tensor_is_itself():
    """What is not quantized is not touched, and float32 is not even copied."""
    raw = np.array([1.5, -2.0], np.float32)
    info = TensorInfo("t", (2,), "float32")
    assert not info.is_quantized
    assert info.dequantize(raw) is raw
    assert info.quantize(raw).tolist() == [1.5, -2.0]


def test_rounding_is_half_to_even_and_saturates():
    """Halves go to the even neighbour, what is beyond the range becomes its end, and NaN becomes 0."""
    info = TensorInfo("t", (6,), "int8", (1.0,), (0,))
    assert info.quantize([0.5, 1.5, -2.5, 1e9, -np.inf, np.nan]).tolist() == [0, 2, -2, 127, -128, 0]


@given(dtype=INTEGERS, scale=SCALES, data=st.data())
def test_every_raw_value_survives_the_way_through_real_values(dtype, scale, data):
    """quantize(dequantize(raw)) is raw, for every scale and zero point."""
    limits = np.iinfo(dtype)
    raw = data.draw(arrays.arrays(dtype, 50))
    zero_point = data.draw(st.integers(limits.min, limits.max))
    info = TensorInfo("t", (50,), dtype, (scale,), (zero_point,))
    assert np.array_equal(info.quantize(info.dequantize(raw)), raw)


@given(
    shape=st.lists(st.integers(0, 1000), max_size=4).map(tuple),
    quantization=st.lists(st.tuples(SCALES, st.integers(-128, 255)), max_size=4),
    dimension=st.integers(0, 3),
)
def test_a_description_crosses_a_process_boundary_unchanged(shape, quantization, dimension):
    """from_dict(to_dict) through JSON gives an equal description, to the last bit of its scales."""
    scales, zero_points = tuple(s for s, _ in quantization), tuple(z for _, z in quantization)
    info = TensorInfo("serving_default_x:0", shape, "int8", scales, zero_points, dimension)
    assert TensorInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info


@pytest.mark.parametrize(("shape", "text"), [((1, 96, 96, 3), "int8 [1, 96, 96, 3]"), ((), "int8 []")])
def test_a_message_names_type_and_shape(shape, text):
    """describe() is what people read when a model does not fit."""
    assert TensorInfo("t", shape, "int8").describe() == text
