"""The child's half of an isolated interpreter: `python -m agent.models.isolated_child CHANNEL MEMORY PARENT`.

Reads an order from the channel, loads the model, says what it is, and then answers each question by one invoke on the tensors in the
shared memory. It imports NumPy and the interpreter and nothing else. It ends with its parent: at the end of the channel, and by the
kernel's hand if native code keeps it from looking there. Started by `agent.models.isolated` only.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.errors import ModelRefused
from agent.core.findings import Finding
from agent.memory import forget_free
from agent.models.children import end_with
from agent.models.execution import Execution
from agent.models.shared_tensors import Form, SharedTensors, size_bytes
from agent.models.tensors import TensorInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.interpreter import Interpreter

INVOKE = b"i"
"""The question: run the model on the inputs in the memory."""
DONE = b"d"
"""The answer: the outputs are in the memory, in the forms that were told last."""
LONGEST_BYTES = 128 << 10
"""Of an order and a description; the kernel passes a little more as one message."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a loaded model turned out to be. Crosses the process boundary as JSON.

    Attributes:
        inputs: As in `agent.models.interpreter.Interpreter`.
        outputs: Likewise.
        forms: Of the outputs as the first invoke gave them, which is not what the file says where shapes depend on the input.
        delegate: As in `agent.models.interpreter.Interpreter`.
        findings: Likewise.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    forms: tuple[Form, ...]
    delegate: str
    findings: tuple[Finding, ...]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Description:
        """The description of `asdict`, after JSON."""
        return cls(
            inputs=tuple(TensorInfo.from_dict(tensor) for tensor in data["inputs"]),
            outputs=tuple(TensorInfo.from_dict(tensor) for tensor in data["outputs"]),
            forms=forms_of(data["forms"]),
            delegate=data["delegate"],
            findings=tuple(Finding(**finding) for finding in data["findings"]),
        )


def forms_of(data: Sequence[Any]) -> tuple[Form, ...]:
    """Forms after JSON, which knows no tuples."""
    return tuple((dtype, tuple(shape)) for dtype, shape in data)


class _Server:
    """Answers the parent's questions. The memory grows when a model gives larger outputs than before."""

    def __init__(self, interpreter: Interpreter, memory: int) -> None:
        """Run the model once on zeros, to see its outputs.

        Raises:
            ModelRefused: The runtime failed, or a tensor has no fixed size.
        """
        self._interpreter = interpreter
        self._memory = memory
        self._inputs = tuple((tensor.dtype, tensor.shape) for tensor in interpreter.inputs)
        self._tensors = self._map(self._inputs)
        for position, zeros in enumerate(self._tensors.tensors):
            interpreter.set_input(zeros, position)
        interpreter.invoke()
        self._forms: tuple[Form, ...] = ()
        self._give(interpreter.read_outputs())

    def description(self) -> Description:
        interpreter = self._interpreter
        return Description(
            inputs=tuple(interpreter.inputs),
            outputs=tuple(interpreter.outputs),
            forms=self._forms,
            delegate=interpreter.delegate,
            findings=tuple(interpreter.findings),
        )

    def answer(self) -> bytes:
        """Run the model on what the memory holds."""
        told = self._forms
        try:
            for position in range(len(self._inputs)):
                self._interpreter.set_input(self._tensors.tensors[position], position)
            self._interpreter.invoke()
            self._give(self._interpreter.read_outputs())
        except ModelRefused as error:
            return _json({"refused": str(error), "hint": error.hint})
        return DONE if self._forms == told else _json({"forms": self._forms})

    def _give(self, outputs: list[npt.NDArray[Any]]) -> None:
        forms = tuple((output.dtype.name, output.shape) for output in outputs)
        if forms != self._forms:
            self._tensors.close()
            self._tensors = self._map((*self._inputs, *forms))
            self._forms = forms
        for place, output in zip(self._tensors.tensors[len(self._inputs) :], outputs, strict=True):
            place[...] = output

    def _map(self, forms: tuple[Form, ...]) -> SharedTensors:
        if text := [dtype for dtype, _ in forms if dtype.startswith(("bytes", "str", "object"))]:
            raise ModelRefused(
                f"a tensor of {text[0]} cannot be shared with a child process", hint='isolation = "none" for this model'
            )
        needed_bytes = size_bytes(forms)
        if os.fstat(self._memory).st_size < needed_bytes:
            os.ftruncate(self._memory, needed_bytes)
        return SharedTensors(self._memory, forms)


def _child(channel: int, memory: int, parent: int) -> None:
    """Serve until the parent closes the channel."""
    end_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to a whole service or terminal; the agent says when we end
        signal.signal(number, signal.SIG_IGN)
    _leave_no_core()
    for descriptor in (channel, memory):
        os.set_inheritable(descriptor, False)  # what a delegate starts shall not keep the channel open
    order = json.loads(os.read(channel, LONGEST_BYTES))

    from agent.models.interpreter import Interpreter  # noqa: PLC0415 - the parent's half imports this module, and has its own

    try:
        server = _Server(Interpreter(Path(order["path"]), Execution.of_kernels(order["how"])), memory)
    except ModelRefused as error:
        os.write(channel, _json({"refused": str(error), "hint": error.hint}))
        return
    os.write(channel, _json(asdict(server.description())))
    gc.disable()  # no frame makes any
    forget_free()
    while os.read(channel, len(INVOKE)):
        os.write(channel, server.answer())


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()


def _leave_no_core() -> None:
    """A core would hold up the restart; where a program takes them the limit is not looked at, so there is nothing in it either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # a kernel without core files has no such file
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")


if __name__ == "__main__":
    _child(*map(int, sys.argv[1:]))
    os._exit(0)  # native code may crash while it is taken apart
