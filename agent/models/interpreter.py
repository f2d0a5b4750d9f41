"""The one door to the TFLite interpreter: LiteRT where it is installed, else tflite-runtime.

Owns the native object and which delegate executes it. Knows nothing of pixels, labels or bundles. A file that was not tried in a
child process first (`agent.models.trial`) may crash this process: native code does that.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from agent.core.errors import ModelRefused
from agent.core.findings import Finding
from agent.memory import forget_file
from agent.models.execution import Execution
from agent.models.native_talk import without_native_talk
from agent.models.tensors import TensorInfo

with without_native_talk():
    try:
        from ai_edge_litert import interpreter as _litert
    except ImportError:
        from tflite_runtime import interpreter as _litert

        _PACKAGE, _RUNTIME = "tflite-runtime", "tflite-runtime"
    else:
        _PACKAGE, _RUNTIME = "ai-edge-litert", "litert"

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from agent.models.execution import Delegate

_FAULTS = (ValueError, RuntimeError, OSError, MemoryError, TypeError)
"""What the bindings raise for files and inputs that they refuse."""
_LONGEST_SENTENCE = 240
_PLAIN = Execution()


@cache
def runtime_version() -> str:
    """Interpreter and its version, as it stands in messages: `litert 2.3.0`."""
    return f"{_RUNTIME} {metadata.version(_PACKAGE)}"


class Interpreter:
    """One loaded model with its own buffers. One thread at a time calls; `invoke` releases the GIL, loading does not.

    Attributes:
        inputs: The input tensors.
        outputs: The output tensors.
        delegate: What executes the operators: `xnnpack`, the name of an external delegate's library, or `none`.
        threads: Threads of one invoke; one without a delegate, whatever was asked for.
        operators: How many operators the model has.
        delegated: How many of them the delegate executes.
        findings: A delegate that could not be had; a quantized model without XNNPACK.
    """

    def __init__(self, path: Path, how: Execution = _PLAIN) -> None:
        """Load and allocate.

        Args:
            path: A .tflite file.
            how: Threads and delegates.

        Raises:
            ModelRefused: The runtime refuses the file, or no delegate could be had.
        """
        self.findings: list[Finding] = []
        self._native, taken = self._open(path, how)
        self.operators, self.delegated = _share_of_delegate(self._native)
        self.threads = how.threads
        if not self.delegated and how.threads > 1:  # the reference kernels spin: 7.6 ms with one thread, 25 ms with two
            self.threads = 1
            self._native = _build(path, 1, taken)
        self.inputs = [_tensor_info(details) for details in self._native.get_input_details()]
        self.outputs = [_tensor_info(details) for details in self._native.get_output_details()]
        self._output_indices = [details["index"] for details in self._native.get_output_details()]
        self._input_indices = [details["index"] for details in self._native.get_input_details()]
        self.delegate = taken.name if self.delegated else "none"
        if self.delegate == "none" and self._is_quantized():
            self.findings.append(
                Finding(
                    "no-xnnpack",
                    "warning",
                    f"this quantized model runs without XNNPACK on {runtime_version()}, up to 20 times slower",
                    "use a machine and a Python that ai-edge-litert has a wheel for; `lineside doctor` names the runtime",
                )
            )

    def _open(self, path: Path, how: Execution) -> tuple[Any, Delegate]:
        refusals = []
        for delegate in how.delegates:
            try:
                native = _build(path, how.threads, delegate)
            except _FAULTS as error:
                refusals.append(f"{delegate.name}: {_sentence(error)}")
                continue
            if refusals:
                self.findings.append(
                    Finding(
                        "delegate-unavailable",
                        "warning",
                        f"{delegate.name} executes it, because {'; '.join(refusals)}",
                        "lineside doctor shows which delegates this machine has",
                    )
                )
            return native, delegate
        raise ModelRefused(f"the runtime ({runtime_version()}) refuses it: {'; '.join(refusals)}")

    def _is_quantized(self) -> bool:
        return any(tensor.is_quantized for tensor in (*self.inputs, *self.outputs))

    def set_input(self, tensor: npt.NDArray[Any], position: int = 0) -> None:
        """Copy a tensor into an input; 150 kB take 1.6 µs, and the GIL is held, so that no other thread comes in between.

        Args:
            tensor: Of the input's own shape and type, in C order.
            position: Which input.

        Raises:
            ModelRefused: Shape or type is another.
        """
        try:
            self._native.set_tensor(self._input_indices[position], tensor)
        except _FAULTS as error:
            raise ModelRefused(
                f"the runtime ({runtime_version()}) does not take the input: {_sentence(error)}"
            ) from error

    def invoke(self) -> None:
        """Run the model on what the input buffers hold.

        Raises:
            ModelRefused: The runtime failed.
        """
        try:
            self._native.invoke()
        except _FAULTS as error:
            raise ModelRefused(f"the runtime ({runtime_version()}) cannot run it: {_sentence(error)}") from error

    def read_outputs(self) -> list[npt.NDArray[Any]]:
        """Copies of all outputs as the interpreter holds them, in the order of `outputs`.

        Raises:
            ModelRefused: One is empty, or was not made.
        """
        try:
            return [self._native.get_tensor(index) for index in self._output_indices]
        except _FAULTS as error:
            raise ModelRefused(f"the runtime ({runtime_version()}) gives no output: {_sentence(error)}") from error

    def close(self) -> None:
        """Let the native object go. May be called twice; nothing else may be called after it."""
        self._native = None


def _build(path: Path, threads: int, delegate: Delegate) -> Any:
    kwargs: dict[str, Any] = {"model_path": str(path), "num_threads": threads}
    if delegate.kind == "external":
        ctypes.CDLL(
            delegate.library
        )  # a library that is not there is told by OSError; load_delegate leaves half an object
        kwargs["experimental_delegates"] = [_litert.load_delegate(delegate.library, delegate.options)]
    if delegate.kind == "none":
        kwargs["experimental_op_resolver_type"] = _litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with without_native_talk():
        native = _litert.Interpreter(**kwargs)
        native.allocate_tensors()
    forget_file(path)  # XNNPACK has its own copy of the weights: 3.4 of 105 MB for a MobileNet
    return native


def _tensor_info(details: dict[str, Any]) -> TensorInfo:
    quantization = details["quantization_parameters"]
    return TensorInfo(
        name=details["name"],
        shape=tuple(int(size) for size in details["shape"]),
        dtype=details["dtype"].__name__.rstrip("_"),
        scales=tuple(float(scale) for scale in quantization["scales"]),
        zero_points=tuple(int(point) for point in quantization["zero_points"]),
        quantized_dimension=int(quantization["quantized_dimension"]),
    )


def _share_of_delegate(native: Any) -> tuple[int, int]:
    """How many operators there are, and how many of them a delegate executes.

    The runtime keeps replaced operators in its list and adds one DELEGATE for each group of them. An operator is replaced
    if a DELEGATE gives one of its outputs, or if only replaced operators use them.
    """
    ops = native._get_ops_details()  # noqa: SLF001 - the runtime offers no public way
    own = [op for op in ops if op["op_name"] != "DELEGATE"]
    groups = [op for op in ops if op["op_name"] == "DELEGATE"]
    fed = {int(index) for group in groups for index in group["inputs"]}
    given = {int(index) for group in groups for index in group["outputs"]}
    needed = set(given)
    delegated = 0
    for op in reversed(own):
        outputs = {int(index) for index in op["outputs"]}
        if outputs & needed and (outputs & given or not outputs & fed):
            delegated += 1
            needed |= {int(index) for index in op["inputs"]}
    return len(own), delegated


def _sentence(error: BaseException) -> str:
    """The runtime's own words in one line; it says the same of each tensor that it does not like."""
    text = " ".join(str(error).split())
    return (text if len(text) <= _LONGEST_SENTENCE else f"{text[:_LONGEST_SENTENCE]} …") or type(error).__name__
