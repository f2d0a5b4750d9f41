"""From a message to JSON."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from publishing import prediction

from agent.core import results
from agent.core.messages import FrameReference
from agent.mqtt.encoding import encode


def test_fields_stand_in_the_order_of_the_class_and_none_is_left_out():
    """Who reads the wire with the reference beside it finds the same order."""
    message = prediction(7)
    body = json.loads(encode(message))
    assert list(body) == [field.name for field in dataclasses.fields(message)]
    assert list(body["latency_ms"]) == [field.name for field in dataclasses.fields(message.latency_ms)]
    assert body["event_seq"] is None
    assert body["result"]["kind"] == "classification"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_in_json_is_null(value):
    """Every parser accepts what is published."""
    text = encode(prediction(0, result=results.Regression(value=value, unit="mm")))
    assert json.loads(text, parse_constant=pytest.fail)["result"]["value"] is None


def test_numpy_numbers_are_numbers():
    """A decoder that leaves a NumPy scalar in its result does not stop the line."""
    text = encode(prediction(0, result=results.Regression(value=np.float32(0.5), unit=None)))
    assert json.loads(text)["result"]["value"] == 0.5


def test_text_is_utf_8():
    """Labels in any script arrive as they are."""
    label = "Überlapp ✗"
    result = results.Classification(label=label, score=1.0, top=[])
    assert label.encode() in encode(prediction(0, result=result))


def test_names_of_files_need_not_be_utf_8():
    """A picture that an old camera named has its verdict, and a folder's name in a reason ends no thread."""
    message = prediction(0)
    before = json.loads(encode(message))
    message.frame = FrameReference(index=0, file="caf\udce9 ✗.png")
    assert json.loads(encode(message)) == before | {"frame": {"index": 0, "file": r"caf\udce9 ✗.png"}}


def test_what_json_cannot_say_is_a_type_error():
    """The publisher counts it and goes on."""
    with pytest.raises(TypeError):
        encode(prediction(0, result=results.Regression(value=object(), unit=None)))
