"""Trying a model file in a child process before this process touches it: native code may crash, hang or eat the memory.

The parent's half (`try_model`, `Prover`) and the child's (`python -m agent.models.trial PARENT`) stand here side by side, because they
share the form of the report. The child imports NumPy and the interpreter and nothing else, loads the file, invokes it once on
zeros, and describes what it found. It ends with its parent. Called by `agent.models.shelf` and by the commands that look at models.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.core.errors import ModelRefused
from agent.core.findings import Finding
from agent.models.children import PACKAGES, end_with, environment, how_it_ended
from agent.models.execution import Execution, TrialLimits
from agent.models.tensors import TensorInfo
from cloud_sync.atomic import write_atomically
from cloud_sync.manifest import file_sha256

log = logging.getLogger("lineside.models")

_MAX_REPORT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What a model turned out to be. Crosses the process boundary as JSON.

    Attributes:
        runtime: Interpreter and version, such as `litert 2.3.0`.
        delegate: As in `agent.models.interpreter.Interpreter`.
        operators: Number of operators.
        delegated: How many of them the delegate executes.
        inputs: The input tensors.
        outputs: The output tensors.
        invoke_ms: Time of the second invoke; the first one prepares buffers.
        findings: What the interpreter had to say.
        load_ms: Processor time of loading, most of it XNNPACK's packing of the weights: for so long a load in the agent's own process keeps
            Python's lock. 0 where the trial was made by a version that did not measure it.
    """

    runtime: str
    delegate: str
    operators: int
    delegated: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    invoke_ms: float
    findings: tuple[Finding, ...]
    load_ms: float = 0.0

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrialReport:
        """The report of `asdict`, after JSON."""
        return cls(
            **data
            | {
                "inputs": tuple(TensorInfo.from_dict(tensor) for tensor in data["inputs"]),
                "outputs": tuple(TensorInfo.from_dict(tensor) for tensor in data["outputs"]),
                "findings": tuple(Finding(**finding) for finding in data["findings"]),
            }
        )


def try_model(path: Path, how: Execution, limits: TrialLimits) -> TrialReport:
    """Load and invoke a .tflite once in a child process. A file that is no sound TFLite file never comes so far.

    Args:
        path: The file.
        how: Threads and delegates.
        limits: Time and memory of the child.

    Raises:
        ModelRefused: The runtime refuses it, or it crashes, hangs or needs more memory than it may have.
    """
    from agent.models.tflite_file import read_tflite  # noqa: PLC0415 - a model that is proven needs no reader

    read_tflite(path)
    order = {
        "path": str(path.resolve()),
        "how": how.kernels(),
        "memory_bytes": limits.memory_bytes,
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "agent.models.trial", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(os.environ),
        cwd=PACKAGES,  # `-m` looks in the working directory first, which may be anybody's
        start_new_session=True,  # Ctrl-C is for the agent: a version is not rejected because somebody ends it
    )
    try:
        out, _ = child.communicate(json.dumps(order).encode(), timeout=limits.timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
        raise ModelRefused(
            f"{path}: it was not done after {limits.timeout_s:g} s while being {_stage(out)}",
            hint="a damaged file, or a device too slow for it: runtime.trial_timeout_s",
        ) from None
    if child.returncode != 0:
        raise ModelRefused(
            f"{path}: it ended the runtime ({how_it_ended(child.returncode)}) while being {_stage(out)}",
            hint="the file is damaged, hostile, or needs more than runtime.trial_memory_bytes; export it again",
        )
    answer = json.loads(out[-_MAX_REPORT_BYTES:].splitlines()[-1])
    if "refused" in answer:
        raise ModelRefused(f"{path}: {answer['refused']}", hint=f"lineside model inspect {path}")
    return TrialReport.from_dict(answer)


def _stage(out: bytes) -> str:
    """What the child was at: the last line it wrote."""
    lines = out.splitlines()
    return lines[-1].decode(errors="replace") if lines else "started"


class Prover:
    """Remembers which models were tried on this device with this runtime and delegate, so that none is tried twice.

    The memory is `proven.json` in the state directory, the newest 64; a memory that cannot be read is begun anew. Any thread; two
    threads at once cost at most one trial that was not needed.
    """

    _KEPT = 64

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "proven.json"

    def prove(self, model: Path, how: Execution, limits: TrialLimits, *, sha256: str | None = None) -> TrialReport:
        """The report of the trial of these very bytes, now or earlier.

        Args:
            model: The file.
            how: Threads and delegates.
            limits: Of the trial.
            sha256: Of the file, in hexadecimal, if the caller has just computed it.

        Raises:
            ModelRefused: As `try_model`; a refusal is never remembered.
        """
        key = self._key(sha256 or file_sha256(model), how)
        known = self._read()
        if key in known:
            return TrialReport.from_dict(known[key])
        report = try_model(model, how, limits)
        known[key] = asdict(report)
        self._write(dict(list(known.items())[-self._KEPT :]))
        return report

    def _key(self, sha256: str, how: Execution) -> str:
        from agent.models.interpreter import runtime_version  # noqa: PLC0415 - settings import this module, not LiteRT

        kernel = os.uname()
        parts = [sha256, runtime_version(), kernel.machine, how.kernels()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self._path.read_bytes())
            return dict(data["proven"]) if data["schema"] == "lineside.proven/1" else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _write(self, known: dict[str, Any]) -> None:
        try:
            write_atomically(self._path, json.dumps({"schema": "lineside.proven/1", "proven": known}).encode())
        except OSError as error:
            log.warning("%s cannot be written, so models are tried again at the next start: %s", self._path, error)


# --- the child -----------------------------------------------------------------------------------------------------


def _child(parent: int) -> None:
    """Read the order from stdin; write what is being done, a line a stage, and last the report, to what was stdout."""
    end_with(parent)
    report_to = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # native code may print; what it says is no report
    order = json.loads(sys.stdin.read())

    import numpy as np  # noqa: PLC0415 - so does the parent

    from agent.models.interpreter import Interpreter, runtime_version  # noqa: PLC0415 - settings import this module, not LiteRT

    limit_memory(order["memory_bytes"])
    try:
        report_to.write("loaded\n")
        before_ns = time.thread_time_ns()
        interpreter = Interpreter(Path(order["path"]), Execution.of_kernels(order["how"]))
        load_ms = round((time.thread_time_ns() - before_ns) / 1e6, 3)
        report_to.write("invoked\n")
        for position, tensor in enumerate(interpreter.inputs):
            interpreter.set_input(np.zeros(tensor.shape, tensor.dtype), position)
        interpreter.invoke()
        began_ns = time.perf_counter_ns()
        interpreter.invoke()
        report = TrialReport(
            runtime=runtime_version(),
            delegate=interpreter.delegate,
            operators=interpreter.operators,
            delegated=interpreter.delegated,
            inputs=tuple(interpreter.inputs),
            outputs=tuple(
                replace(o, shape=r.shape) for o, r in zip(interpreter.outputs, interpreter.read_outputs(), strict=True)
            ),
            invoke_ms=round((time.perf_counter_ns() - began_ns) / 1e6, 3),
            findings=tuple(interpreter.findings),
            load_ms=load_ms,
        )
        report_to.write(json.dumps(asdict(report)) + "\n")
    except ModelRefused as error:
        report_to.write(json.dumps({"refused": str(error)}) + "\n")
    report_to.flush()
    os._exit(0)  # a damaged model may crash while it is taken apart; the report is written


def limit_memory(beyond_bytes: int) -> None:
    """Bound the address space from here on, and leave no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + beyond_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    _child(int(sys.argv[1]))
