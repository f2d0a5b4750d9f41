"""From float to int8, and how the int8 model does the way the agent runs it: cv2, a table, LiteRT on one thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from photographs import STD, photograph, resized, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from agent.demo.cells import Cell

_REPRESENTATIVES = 300
_WARM_UP = 20
_TIMED = 200


def quantized(model: tf.keras.Model, learned: Sequence[Cell], *, seed: int) -> bytes:
    """The .tflite with int8 weights, activations, input and output; ranges come from 300 of the cells it learned from."""
    chosen = np.random.default_rng(seed).choice(len(learned), _REPRESENTATIVES, replace=False)

    def representative() -> Iterator[list[npt.NDArray[np.float32]]]:
        for k in chosen:
            pixels = values(photograph(learned[k]))
            pixels[0, 0], pixels[-1, -1] = 0, 1  # so that the input's scale is exactly 1/255
            yield [pixels[np.newaxis]]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def float_content(model: tf.keras.Model) -> bytes:
    """The .tflite with float32 throughout: what `lineside model quantize` starts from."""
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def int8_scores(content: bytes, chosen: Sequence[Cell]) -> npt.NDArray[np.float64]:
    """The score of `defective` for each cell, [cells] in 0..1."""
    interpreter = _interpreter(content)
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = taken["quantization"]
    table = np.clip(np.round(np.arange(256) / STD / scale) + zero_point, -128, 127).astype(np.int8)
    scores = np.empty(len(chosen))
    for k, cell in enumerate(chosen):
        interpreter.set_tensor(taken["index"], table[resized(photograph(cell))][np.newaxis, ..., np.newaxis])
        interpreter.invoke()
        code = int(interpreter.get_tensor(given["index"])[0, 1])
        scores[k] = (code - given["quantization"][1]) * given["quantization"][0]
    return scores


def invoke_p50_ms(content: bytes) -> float:
    """Median time of one inference on one core of this machine, in milliseconds."""
    interpreter = _interpreter(content)
    times_s = []
    for _ in range(_WARM_UP + _TIMED):
        began = time.perf_counter()
        interpreter.invoke()
        times_s.append(time.perf_counter() - began)
    return round(float(np.median(times_s[_WARM_UP:])) * 1000, 2)


def _interpreter(content: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter
