"""From float to int8 by the LiteRT quantizer (https://github.com/google-ai-edge/ai-edge-quantizer): the one door to it.

Post-training: weights per channel; activations static, with ranges from calibration samples, or dynamic, quantized by the kernels at each
invoke. B. Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from agent.core.errors import BadData, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Tensor = npt.NDArray[np.float32]

Mode = Literal["static", "dynamic"]
_SIGNATURE = "serving_default"
_COMPARED = 16
"""Samples on which layers are compared: each loads both models anew, with all their tensors kept."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What a layer's output lost.

    Attributes:
        name: Of its output tensor.
        operator: Such as `CONV_2D`.
        loss: Root mean square of the difference, as a share of that of the float output; mean over samples. It carries along what the layers
            before it lost.
    """

    name: str
    operator: str
    loss: float


def quantize(content: bytes, mode: Mode, samples: Sequence[Tensor]) -> bytes:
    """An int8 model for a float one with one input.

    Args:
        content: The float .tflite.
        mode: How activations are quantized.
        samples: Filled inputs, each of the model's own shape; not looked at for `dynamic`.

    Raises:
        MissingExtra: The quantizer is not installed.
        BadData: It refuses the model.
    """
    try:
        from ai_edge_quantizer import quantizer, recipe  # noqa: PLC0415 - an extra, and half a second
    except ImportError as error:
        raise MissingExtra("quantizing needs the LiteRT quantizer", hint="pip install 'lineside[publish]'") from error
    signed, inputs = _signed(content)
    with _quiet():
        try:
            how = recipe.static_wi8_ai8() if mode == "static" else recipe.dynamic_wi8_afp32()
            work = quantizer.Quantizer(bytearray(signed), how)
            ranges = None
            if work.need_calibration:
                ranges = _ranges(signed, how, {_name(signed): _fed(samples, inputs)})
            done = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
        except (ValueError, RuntimeError, KeyError, TypeError, IndexError) as error:
            raise BadData(
                f"the quantizer refuses the model: {str(error)[:300]}", hint="is it a float model?"
            ) from error
    return bytes(done.quantized_model)


def layers(content: bytes, quantized: bytes, samples: Sequence[Tensor]) -> list[Layer]:
    """What each layer's output lost, the most first.

    Args:
        content: The float .tflite.
        quantized: The int8 one made of it.
        samples: Filled inputs of the float model; the first few are looked at.
    """
    from ai_edge_quantizer import model_validator  # noqa: PLC0415 - see `quantize`
    from ai_edge_quantizer.quantizer import ValidationErrorMetric  # noqa: PLC0415

    signed, inputs = _signed(content)
    with _quiet():
        found = model_validator.compare_model(
            signed,
            quantized,
            {_name(signed): _fed(samples[:_COMPARED], inputs)},
            error_metrics=[ValidationErrorMetric.MSE],
            compare_fns=[relative_loss],
            use_xnnpack=False,  # fused kernels keep no tensors between layers
            num_threads=1,
        ).get_all_tensor_results()
    made_by = dict(_operators(signed))
    rows = [
        Layer(name, made_by[name], float(next(iter(said.values())))) for name, said in found.items() if name in made_by
    ]
    return sorted((row for row in rows if np.isfinite(row.loss)), key=lambda row: -row.loss)


def relative_loss(quantized: Any, real: Any) -> float:
    """Noise to signal: root mean square of the difference, as a share of that of the real values; 0 where both are nothing."""
    real = np.asarray(real, np.float64)
    noise, signal = (float(np.sqrt(np.mean(each**2))) for each in (np.asarray(quantized, np.float64) - real, real))
    return noise / signal if signal else float(noise > 0)


def _ranges(signed: bytes, recipe: Any, fed: dict[str, list[dict[str, Tensor]]]) -> Any:
    """Least and most of each tensor over all samples.

    The quantizer's own default is a moving average of the samples' ranges. It clips what differs from picture to picture: of a tensor that is
    one number a picture, such as the mean brightness, next to nothing is left.
    """
    from ai_edge_quantizer import calibrator, recipe_manager  # noqa: PLC0415 - see `quantize`
    from ai_edge_quantizer.utils import qsv_utils  # noqa: PLC0415

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe)
    work = calibrator.Calibrator(signed, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    work.calibrate(fed, manager)
    return work.get_model_qsvs()


def _fed(samples: Sequence[Tensor], inputs: list[str]) -> list[dict[str, Tensor]]:
    """As the quantizer wants them. A list, as it goes over them twice."""
    return [{inputs[0]: sample} for sample in samples]


def _signed(content: bytes) -> tuple[bytes, list[str]]:
    """The model with a signature, by which the quantizer calls it, and the names of its inputs there."""
    import ai_edge_litert.schema_py_generated as schema  # noqa: PLC0415 - with the quantizer
    from ai_edge_litert.tools import flatbuffer_utils  # noqa: PLC0415

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    if model.signatureDefs:
        return content, [entry.name.decode() for entry in model.signatureDefs[0].inputs]
    graph, signature = model.subgraphs[0], schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = _SIGNATURE, 0
    signature.inputs, signature.outputs = (_named(schema, tensors) for tensors in (graph.inputs, graph.outputs))
    model.signatureDefs = [signature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)), [entry.name for entry in signature.inputs]


def _named(schema: Any, tensors: Sequence[int]) -> list[Any]:
    entries = []
    for number, tensor in enumerate(tensors):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = f"tensor_{number}", tensor
        entries.append(entry)
    return entries


def _name(signed: bytes) -> str:
    from ai_edge_litert.tools import flatbuffer_utils  # noqa: PLC0415 - see `_signed`

    key = flatbuffer_utils.convert_bytearray_to_object(bytearray(signed)).signatureDefs[0].signatureKey
    return key.decode() if isinstance(key, bytes) else str(key)


def _operators(content: bytes) -> Iterator[tuple[str, str]]:
    """Output tensor → operator, of the main graph."""
    from ai_edge_litert.tools import flatbuffer_utils  # noqa: PLC0415 - see `_signed`

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    for operator in graph.operators:
        for tensor in operator.outputs:
            name = graph.tensors[tensor].name
            kind = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) or "CUSTOM"
            yield name.decode() if isinstance(name, bytes) else str(name), kind


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Its progress bars and warnings are of no use to whoever reads ours."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
