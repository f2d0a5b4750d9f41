"""Judging a version that nobody here trusts yet, in a child process: the fit of its tensors, its golden samples, its latency.

The parent's half (`judge_candidate`) and the child's (`python -m agent.models.candidate`) stand side by side, as in
`agent.models.trial`. The bundle's files are opened and its model is run by the child; the agent's own process reads the words in it only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.errors import LinesideError, ModelRefused, NotTrusted
from agent.core.findings import Finding
from agent.models.children import PACKAGES, end_with, environment, how_it_ended
from agent.models.execution import Execution
from agent.models.trial import TrialReport, limit_memory

if TYPE_CHECKING:
    from agent.models.bundle import Bundle
    from agent.models.execution import TrialLimits

_MAX_ANSWER_BYTES = 1 << 20
_HINT = "the bundle is damaged, or needs more than this device has; lineside model verify says more"
_ROUNDS, _INVOKES, _ROUND_S = 3, 100, 2.0
"""Latency is measured so often, with at most so many invokes and seconds each. The best round counts: the line goes on beside it, and a
round that it disturbed says nothing of the model."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found out about a bundle that proves itself.

    Attributes:
        findings: What a person should know; none is of severity `error`.
        p99_ms: 99th percentile of one inference on this device, less the time for which it waited for a core.
    """

    findings: tuple[Finding, ...]
    p99_ms: float


def judge_candidate(folder: Path, how: Execution, trial: TrialReport, limits: TrialLimits) -> Judged:
    """Load a bundle, run its golden samples and measure its latency in a child process.

    Args:
        folder: The bundle.
        how: Threads and delegates.
        trial: What `agent.models.trial` said of its file.
        limits: Time and memory of the child.

    Returns:
        What was found out.

    Raises:
        ModelRefused: It does not prove itself, or crashes, hangs or needs more memory than it may have.
        NotTrusted: A file differs from its digest.
    """
    order = {
        "folder": str(folder.resolve()),
        "how": how.kernels(),
        "trial": asdict(trial),
        "memory_bytes": limits.memory_bytes,
        "parent": os.getpid(),
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "agent.models.candidate"],
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
        child.communicate()
        raise ModelRefused(
            f"{folder.name}: its golden samples were not done after {limits.timeout_s:g} s", hint=_HINT
        ) from None
    if child.returncode != 0:
        raise ModelRefused(
            f"{folder.name}: it ended the runtime ({how_it_ended(child.returncode)}) at its golden samples", hint=_HINT
        )
    return _understood(out[-_MAX_ANSWER_BYTES:], folder)


def _understood(out: bytes, folder: Path) -> Judged:
    """What the child found. Native code ran there, so its answer may be anything."""
    try:
        answer = json.loads(out.splitlines()[-1])
        if "refused" in answer:
            raised = NotTrusted if answer["code"] == NotTrusted.code else ModelRefused
            raise raised(str(answer["refused"]), hint=str(answer["hint"]))
        findings, p99_ms = [Finding(**finding) for finding in answer["findings"]], float(answer["p99_ms"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ModelRefused(f"{folder.name}: the child process that judged it answers nonsense", hint=_HINT) from error
    faults = [finding for finding in findings if finding.severity == "error"]
    if faults:
        raise ModelRefused("; ".join(fault.message for fault in faults), hint=faults[0].hint)
    return Judged(tuple(findings), p99_ms)


# --- the child -----------------------------------------------------------------------------------------------------


def _child() -> None:
    """Read the order from stdin, write one line to what was stdout."""
    report_to = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # native code may print; what it says is no answer
    order = json.loads(sys.stdin.read())
    end_with(order["parent"])

    from agent.models.bundle import open_bundle  # noqa: PLC0415 - the parent needs none of these
    from agent.models.proving import examine  # noqa: PLC0415

    limit_memory(order["memory_bytes"])
    answer: dict[str, Any]
    try:
        bundle = open_bundle(Path(order["folder"]))
        how = Execution.of_kernels(order["how"])
        proof = examine(bundle, how, TrialReport.from_dict(order["trial"]))
        answer = {"findings": [asdict(finding) for finding in proof.findings], "p99_ms": _p99_ms(bundle, how)}
    except LinesideError as error:
        answer = {"refused": str(error), "hint": error.hint, "code": error.code}
    report_to.write(json.dumps(answer) + "\n")
    report_to.flush()
    os._exit(0)  # a damaged model may crash while it is taken apart; the answer is written


def _p99_ms(bundle: Bundle, how: Execution) -> float:
    """99th percentile of the interpreter's own time, on a grey picture: the kernels take as long for any.

    For how long others kept the core says nothing of the model: what it takes beside them is watched on the line.
    """
    import numpy as np  # noqa: PLC0415 - the parent does without

    from agent.models.loading import load_model  # noqa: PLC0415 - likewise
    from agent.models.run_delay import RunDelay  # noqa: PLC0415 - likewise

    model, delay = load_model(bundle, how), RunDelay()
    preparer = model.preparer()
    size = preparer.size
    width, height = (8, 8) if size is None else (size.width, size.height)
    prepared = preparer.prepare(np.full((height, width, 3), 128, np.uint8))
    best_ms = float("inf")
    for _ in range(_ROUNDS):
        took_ms: list[float] = []
        until_s = time.monotonic() + _ROUND_S
        while len(took_ms) < _INVOKES and (not took_ms or time.monotonic() < until_s):
            delayed_ns = delay.ns()
            inferred = model.infer(prepared)
            delayed_ns = delay.ns() - delayed_ns
            took_ms.append(max(0, inferred.invoked_ns - inferred.invoke_ns - delayed_ns) / 1e6)
        best_ms = min(best_ms, sorted(took_ms)[len(took_ms) * 99 // 100])
    return best_ms


if __name__ == "__main__":
    _child()
