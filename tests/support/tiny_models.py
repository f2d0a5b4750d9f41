"""Small models with answers that a test can foresee: each loads and runs in every supported LiteRT, each is a few kB.

Pictures are RGB or gray, and value = pixel / 255 (the default normalisation, mean 0 and std 255), in integers too. "Brightness"
is the mean of all values of the picture, 0..1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import ai_edge_litert.schema_py_generated as schema
import numpy as np
from tflite_graph import Graph, Scale, make

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Dtype = Literal["int8", "uint8", "float32"]

GAIN = 8.0
"""How far a classifier's logits lie apart, from black to white."""
DETECTIONS = (((0.1, 0.2, 0.5, 0.6), 0, 0.9), ((0.3, 0.3, 0.9, 0.8), 1, 0.6), ((0.0, 0.0, 0.2, 0.2), 0, 0.3))
"""What `ssd_like` sees by default: box (y_min, x_min, y_max, x_max), class, score; best first."""

_ZERO = {"int8": -128, "uint8": 0}
_MIDDLE = {"int8": 0, "uint8": 128}
_VERSION_OF_MEAN = {"int8": 2, "uint8": 1, "float32": 1}
_VERSION_OF_DENSE = {"int8": 4, "uint8": 1, "float32": 1}
_VERSION_OF_CONV = {"int8": 3, "uint8": 1, "float32": 1}
_VERSION_OF_REST = {"int8": 2, "uint8": 1, "float32": 1}


def classifier(
    height: int = 8, width: int = 8, channels: int = 3, classes: int = 2, dtype: Dtype = "int8", *, seed: int = 0
) -> bytes:
    """Input [1, height, width, channels]; output [1, classes], probabilities: a dark picture is class 0, a bright one class 1.

    Further classes never win; `seed` shifts them, and changes the file's digest in any case. `class_scores` foretells.
    """
    graph = Graph(f"tiny classifier, seed {seed}")
    picture, mean = _mean_per_channel(graph, (height, width, channels), dtype)
    weights, biases = _brightness_weights(channels, classes, seed)
    logits = _dense(graph, mean, weights, biases, dtype, scale=_span(dtype, -5, 5))
    scores = graph.tensor([1, classes], dtype, _span(dtype, 0, 255 / 256), "scores")
    options = ("SoftmaxOptions", make(schema.SoftmaxOptionsT, beta=1.0))
    graph.operator("SOFTMAX", [logits], scores, options=options, version=_VERSION_OF_REST[dtype])
    return graph.pack([picture], [scores])


def class_scores(pixels: npt.NDArray[np.uint8], classes: int = 2, seed: int = 0) -> npt.NDArray[np.float64]:
    """What `classifier` answers to pixels of its own size, in real numbers; the 8-bit ones are off by up to 0.03."""
    channels = pixels.shape[-1]
    weights, biases = _brightness_weights(channels, classes, seed)
    logits = weights @ (pixels.reshape(-1, channels).mean(axis=0) / 255) + biases
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float64)


def segmenter(height: int = 8, width: int = 8, channels: int = 3, dtype: Dtype = "int8") -> bytes:
    """Output [1, height, width, 2], logits per pixel: dark pixels are class 0, bright ones class 1."""
    graph = Graph("tiny segmenter")
    picture = _picture(graph, (height, width, channels), dtype)
    weights, biases = _brightness_weights(channels, 2, 0)
    inputs = _weighted(graph, picture, weights.reshape(2, 1, 1, channels), biases, dtype)
    logits = graph.tensor([1, height, width, 2], dtype, _span(dtype, -GAIN, GAIN), "logits")
    options = ("Conv2DOptions", make(schema.Conv2DOptionsT, strideH=1, strideW=1, padding=schema.Padding.VALID))
    graph.operator("CONV_2D", inputs, logits, options=options, version=_VERSION_OF_CONV[dtype])
    return graph.pack([picture], [logits])


def regressor(height: int = 8, width: int = 8, channels: int = 3, dtype: Dtype = "int8") -> bytes:
    """Output [1, 1]: the brightness in percent."""
    graph = Graph("tiny regressor")
    picture, mean = _mean_per_channel(graph, (height, width, channels), dtype)
    weights = np.full((1, channels), 100.0 / channels)
    value = _dense(graph, mean, weights, np.zeros(1), dtype, scale=_span(dtype, 0, 100), name="percent")
    return graph.pack([picture], [value])


def embedding(height: int = 8, width: int = 8, channels: int = 3, dtype: Dtype = "int8") -> bytes:
    """Output [1, channels]: the mean of each channel, 0..1."""
    graph = Graph("tiny embedding")
    picture, mean = _mean_per_channel(graph, (height, width, channels), dtype)
    return graph.pack([picture], [mean])


def autoencoder(n: int = 16, dtype: Dtype = "float32") -> bytes:
    """Input and output [1, n], within ±8: every value becomes the mean of all, so the mean squared error is the variance."""
    graph = Graph("tiny autoencoder")
    scale = _span(dtype, -8, 8)
    samples = graph.tensor([1, n], dtype, scale, "samples")
    weights, name = np.full((n, n), 1.0 / n), "reconstruction"
    mean = _dense(graph, samples, weights, np.zeros(n), dtype, scale=scale, name=name, input_scale=scale)
    return graph.pack([samples], [mean])


def image_autoencoder(height: int = 8, width: int = 8, channels: int = 3, dtype: Dtype = "int8") -> bytes:
    """Output shaped as the input: each pixel becomes the mean of its 3x3 neighbourhood, so a flat picture has no error."""
    graph = Graph("tiny image autoencoder")
    picture = _picture(graph, (height, width, channels), dtype)
    blurred = _picture(graph, (height, width, channels), dtype, "reconstruction")
    pool = make(schema.Pool2DOptionsT, padding=schema.Padding.SAME, strideH=1, strideW=1, filterHeight=3, filterWidth=3)
    version = _VERSION_OF_REST[dtype]
    graph.operator("AVERAGE_POOL_2D", [picture], blurred, options=("Pool2DOptions", pool), version=version)
    return graph.pack([picture], [blurred])


def constant(
    outputs: Sequence[npt.ArrayLike], height: int = 8, width: int = 8, channels: int = 3, dtype: Dtype = "uint8"
) -> bytes:
    """A model that answers the same float32 arrays to every picture: for decoders of any layout."""
    graph = Graph("tiny constant")
    picture = _picture(graph, (height, width, channels), dtype)
    real = picture
    if dtype != "float32":
        real = graph.tensor([1, height, width, channels], "float32")
        options = ("DequantizeOptions", make(schema.DequantizeOptionsT))
        graph.operator("DEQUANTIZE", [picture], real, options=options, version=_VERSION_OF_REST[dtype])
    mean = _reduce(graph, real, (0, 1, 2, 3), graph.tensor([], "float32"), "float32")
    nothing = graph.tensor([], "float32")
    zero = graph.constant(0.0, "float32")
    graph.operator("MUL", [mean, zero], nothing, options=("MulOptions", make(schema.MulOptionsT)))
    answers = []
    for number, values in enumerate(outputs):
        answer = graph.constant(values, "float32")
        output = graph.tensor(np.shape(values), "float32", name=f"output_{number}")
        graph.operator("ADD", [answer, nothing], output, options=("AddOptions", make(schema.AddOptionsT)))
        answers.append(output)
    return graph.pack([picture], answers)


def ssd_like(
    detections: Sequence[tuple[Sequence[float], int, float]] = DETECTIONS, height: int = 8, width: int = 8
) -> bytes:
    """The four outputs of TFLite_Detection_PostProcess: boxes [1, n, 4], classes [1, n], scores [1, n], count [1]."""
    boxes, classes, scores = zip(*detections, strict=True)
    return constant([[boxes], [classes], [scores], [len(detections)]], height, width)


def places_of_light(height: int = 8, width: int = 8, channels: int = 3) -> bytes:
    """Output [n, 4]: where the picture is not black, and for its first value, where it is not white. So n is 0 for one picture only."""
    graph = Graph("tiny model with an output of any length")
    black = np.zeros((1, height, width, channels))
    black[0, 0, 0, 0] = 1
    picture, black = _picture(graph, (height, width, channels), "float32"), graph.constant(black, "float32")
    light, places = graph.tensor([1, height, width, channels], "bool"), graph.tensor([0, 4], "int64", name="places")
    graph.operator("NOT_EQUAL", [picture, black], light, options=("NotEqualOptions", make(schema.NotEqualOptionsT)))
    graph.operator("WHERE", [light], places, options=("WhereOptions", make(schema.WhereOptionsT)))
    return graph.pack([picture], [places])


def unresolved_custom_op() -> bytes:
    """A valid file that the runtime refuses: nobody has its operator."""
    graph = Graph("tiny model with an unknown operator")
    picture, output = _picture(graph, (8, 8, 3), "float32"), graph.tensor([1, 2], "float32")
    graph.operator("CUSTOM", [picture], output, custom="NoSuchOperator")
    return graph.pack([picture], [output])


def crashing() -> bytes:
    """A well-formed file, 8x8x3 to 8x8x3, whose loop runs the model itself: LiteRT 2.0.2 to 2.3.0 end by SIGSEGV at allocation."""
    return _loop(body=0)


def endless() -> bytes:
    """A well-formed file, 8x8x3 to 8x8x3, whose loop never ends: `invoke` does not come back."""
    return _loop(body=2)


def _loop(body: int) -> bytes:
    """While subgraph 1, which says yes, run subgraph `body` on the picture; subgraph 2 gives it back as it is."""
    graph = Graph("tiny loop")
    picture, output = (_picture(graph, (8, 8, 3), "uint8", name) for name in ("picture", "reconstruction"))
    loop = make(schema.WhileOptionsT, condSubgraphIndex=1, bodySubgraphIndex=body)
    graph.operator("WHILE", [picture], output, options=("WhileOptions", loop))
    graph.end_subgraph([picture], [output])
    picture, yes = _picture(graph, (8, 8, 3), "uint8"), graph.constant([True], "bool")
    graph.end_subgraph([picture], [yes])
    picture = _picture(graph, (8, 8, 3), "uint8")
    return graph.pack([picture], [picture])


def _picture(graph: Graph, shape: tuple[int, int, int], dtype: Dtype, name: str = "picture") -> int:
    return graph.tensor([1, *shape], dtype, _span(dtype, 0, 1), name)


def _mean_per_channel(graph: Graph, shape: tuple[int, int, int], dtype: Dtype) -> tuple[int, int]:
    """The picture, and its mean over height and width, [1, channels]."""
    picture = _picture(graph, shape, dtype)
    mean = graph.tensor([1, shape[2]], dtype, _span(dtype, 0, 1), "mean")
    return picture, _reduce(graph, picture, (1, 2), mean, dtype)


def _reduce(graph: Graph, tensor: int, axes: Sequence[int], output: int, dtype: Dtype) -> int:
    options = ("ReducerOptions", make(schema.ReducerOptionsT, keepDims=False))
    inputs = [tensor, graph.constant(axes, "int32")]
    return graph.operator("MEAN", inputs, output, options=options, version=_VERSION_OF_MEAN[dtype])


def _brightness_weights(channels: int, classes: int, seed: int) -> tuple[Any, Any]:
    """Weights [classes, channels] and biases [classes] of logits that cross at half brightness."""
    weights = np.zeros((classes, channels))
    weights[0], weights[1] = -GAIN / channels, GAIN / channels
    biases = -GAIN / 2 - np.random.default_rng(seed).random(classes)
    biases[:2] = GAIN / 2, -GAIN / 2
    return weights, biases


def _dense(
    graph: Graph,
    values: int,
    weights: Any,
    biases: Any,
    dtype: Dtype,
    *,
    scale: Scale | None,
    name: str = "",
    input_scale: Scale | None = None,
) -> int:
    output = graph.tensor([1, len(weights)], dtype, scale, name)
    options = ("FullyConnectedOptions", make(schema.FullyConnectedOptionsT))
    inputs = _weighted(graph, values, weights, biases, dtype, input_scale=input_scale)
    return graph.operator("FULLY_CONNECTED", inputs, output, options=options, version=_VERSION_OF_DENSE[dtype])


def _weighted(
    graph: Graph, values: int, weights: Any, biases: Any, dtype: Dtype, *, input_scale: Scale | None = None
) -> list[int]:
    """Inputs of an operator with weights and biases, quantized as the TFLite quantization specification says."""
    if dtype == "float32":
        return [values, graph.constant(weights, "float32"), graph.constant(biases, "float32")]
    of_weights = Scale(float(np.abs(weights).max()) / 127, _MIDDLE[dtype])
    of_values = input_scale or _span(dtype, 0, 1)
    assert of_values is not None
    of_biases = Scale(of_values.scale * of_weights.scale)
    return [values, graph.constant(weights, dtype, of_weights), graph.constant(biases, "int32", of_biases)]


def _span(dtype: Dtype, low: float, high: float) -> Scale | None:
    """A scale whose 256 codes reach from `low` to `high`."""
    if dtype == "float32":
        return None
    scale = (high - low) / 255
    return Scale(scale, _ZERO[dtype] - round(low / scale))
