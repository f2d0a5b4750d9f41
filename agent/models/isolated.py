"""The parent's half of an isolated interpreter: for a delegate that may crash, hang, or write where it should not.

Tensors pass through shared memory, a question and an answer of one byte each through a socket; whoever waits is woken by the kernel.
Whatever happens to the child becomes a ModelCrashed here, and this object is of no more use: the pipeline loads the model anew
(`agent.pipeline.runner`). A file is tried by `agent.models.trial` first, as without isolation. Called by `agent.models.loading`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import ModelCrashed, ModelRefused
from agent.models.children import PACKAGES, environment, how_it_ended
from agent.models.isolated_child import DONE, INVOKE, LONGEST_BYTES, Description, forms_of
from agent.models.shared_tensors import SharedTensors, new_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from agent.models.execution import Execution, Isolation
    from agent.models.shared_tensors import Form

_ANSWER_BYTES = 4096
"""Of an answer to a frame: a byte, other forms, or a sentence."""
_LEAVE_S = 1.0
"""For a child that has nothing more to do."""
_KILL_S = 5.0
_HINT = "the model or its delegate crashes or hangs: name another delegate, and look into the kernel's log"


class IsolatedInterpreter:
    """The same as `agent.models.interpreter.Interpreter`, with its native object in a child.

    One thread at a time calls; the kernel ends the child when the thread that made this object ends, so that must outlive it.

    Attributes:
        inputs: The input tensors.
        outputs: The output tensors.
        delegate: What executes the operators.
        findings: What the interpreter had to say when it was loaded.
        pid: Of the child.
    """

    def __init__(self, path: Path, how: Execution, isolation: Isolation) -> None:
        """Start the child, and wait until it has loaded the model and run it once.

        Args:
            path: A .tflite file.
            how: Threads and delegates.
            isolation: How long to wait for the child.

        Raises:
            ModelRefused: The runtime refuses the file, or no delegate could be had.
            ModelCrashed: The child could not be started, ended, or was not done in time.
        """
        self._path = path
        self._tensors: SharedTensors | None = None
        self._memory = new_memory()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                self._process = _start(theirs.fileno(), self._memory)
            self.pid = self._process.pid
            self._channel.settimeout(isolation.start_timeout_s)
            order = {"path": str(path.resolve()), "how": how.kernels()}
            answer = self._ask(json.dumps(order).encode(), LONGEST_BYTES, "while it loaded the model")
            with self._making_sense():
                self._describe(Description.from_dict(self._told(answer)))
            self._channel.settimeout(isolation.invoke_timeout_s)
        except OSError as error:
            self.close()
            raise ModelCrashed(f"{path}: its child process cannot be started: {error.strerror}", hint=_HINT) from error
        except (ModelRefused, ModelCrashed):
            self.close()
            raise

    def set_input(self, tensor: npt.NDArray[Any], position: int = 0) -> None:
        """Copy a tensor into an input; see `agent.models.interpreter.Interpreter.set_input`."""
        place = self._views()[position]
        if (tensor.dtype, tensor.shape) != (place.dtype, place.shape):
            found, wanted = (f"{array.dtype} {list(array.shape)}" for array in (tensor, place))
            raise ModelRefused(f"the runtime does not take the input: {found} was given, {wanted} was expected")
        np.copyto(place, tensor)

    def invoke(self) -> None:
        """Have the child run the model on what the input holds.

        Raises:
            ModelRefused: The runtime failed.
            ModelCrashed: The child ended, or did not answer in time.
        """
        answer = self._ask(INVOKE, _ANSWER_BYTES, "while a frame was in it")
        if answer != DONE:
            with self._making_sense():
                self._map(forms_of(self._told(answer)["forms"]))

    def read_outputs(self) -> list[npt.NDArray[Any]]:
        """Copies of all outputs, in the order of `outputs`. What the runtime does not give is told by `invoke`."""
        return [output.copy() for output in self._views()[len(self.inputs) :]]

    def close(self) -> None:
        """End the child and give the memory back. May be called twice."""
        self._end(_LEAVE_S)

    def _describe(self, description: Description) -> None:
        self.inputs, self.outputs = list(description.inputs), list(description.outputs)
        self.delegate, self.findings = description.delegate, list(description.findings)
        self._map(description.forms)

    def _map(self, outputs: Sequence[Form]) -> None:
        """See the memory as the child does, which has made it large enough."""
        if self._tensors is not None:
            self._tensors.close()
        self._tensors = SharedTensors(
            self._memory, [*((tensor.dtype, tensor.shape) for tensor in self.inputs), *outputs]
        )

    def _views(self) -> list[npt.NDArray[Any]]:
        if self._tensors is None:
            raise ModelCrashed(f"{self._path}: its child process has ended")
        return self._tensors.tensors

    def _ask(self, question: bytes, room_bytes: int, when: str) -> bytes:
        """What the child answers, within the time that the channel has."""
        try:
            self._channel.send(question)
            if answer := self._channel.recv(room_bytes):
                return answer
        except TimeoutError:
            timeout_s = self._channel.gettimeout()
            self._end(0)
            raise ModelCrashed(
                f"{self._path}: its child process did not answer within {timeout_s:g} s {when}", hint=_HINT
            ) from None
        except OSError:  # it has ended, which breaks the channel one way or another
            pass
        raise ModelCrashed(f"{self._path}: its child process ended ({self._end(_LEAVE_S)}) {when}", hint=_HINT)

    def _told(self, answer: bytes) -> dict[str, Any]:
        """An answer in words.

        Raises:
            ModelRefused: The runtime refused what it was asked for.
            ValueError: They are none.
        """
        told: dict[str, Any] = json.loads(answer)
        if "refused" in told:
            raise ModelRefused(told["refused"], hint=told["hint"])
        return told

    @contextmanager
    def _making_sense(self) -> Iterator[None]:
        """A child whose memory is damaged may answer anything: that is a crash too."""
        try:
            yield
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            self._end(0)
            raise ModelCrashed(f"{self._path}: its child process answers nonsense ({error})", hint=_HINT) from error

    def _end(self, patience_s: float) -> str:
        """Let go of the child, which ends it; by force after `patience_s`. May be called twice.

        Returns:
            How it ended.
        """
        self._channel.close()
        if self._tensors is not None:
            self._tensors.close()
            self._tensors = None
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1
        if (process := self._process) is None:
            return "it never began"
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel; subprocess reaps it later
                process.wait(_KILL_S)
        return how_it_ended(process.returncode) if process.returncode is not None else "not at all"


def _start(channel: int, memory: int) -> subprocess.Popen[bytes]:
    descriptors = channel, memory
    return subprocess.Popen(
        [sys.executable, "-m", "agent.models.isolated_child", *map(str, descriptors), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,  # and nothing else that is open here
        env=environment(os.environ),
        cwd=PACKAGES,  # `-m` looks in the working directory first, which may be anybody's
        start_new_session=True,  # Ctrl-C in the agent's terminal is the agent's
    )
