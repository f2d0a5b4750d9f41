"""From a proven bundle to a model that predicts: interpreter, input and decoder put together.

Called in the pipeline's thread, or beside it for a model that is offered to it. The file was tried in a child process before.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import LinesideError, ModelRefused
from agent.core.findings import Finding
from agent.core.messages import ModelReference
from agent.models.contract import Inferred, Prepared
from agent.models.decoders import Context, make_decoder
from agent.models.inputs import make_input, range_findings
from agent.models.interpreter import Interpreter, runtime_version
from agent.models.isolated import IsolatedInterpreter
from agent.models.placement import Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.core.results import Result
    from agent.models.bundle import Bundle
    from agent.models.execution import Execution
    from agent.models.inputs import ModelInput
    from agent.models.spec import DecisionSpec, ModelSpec
    from agent.models.tensors import TensorInfo

_SPARE_TENSORS = 8
"""More are never on their way: two frames that wait, one being inferred, two being finished."""


def load_model(
    bundle: Bundle,
    how: Execution,
    *,
    decision: DecisionSpec | None = None,
    region: Region = Region(),  # noqa: B008 - it is a constant
) -> LoadedModel:
    """Load a bundle into an interpreter of its own and run it once, so that the first frame finds its buffers ready.

    Args:
        bundle: What `agent.models.bundle` opened and `agent.models.trial` has proven.
        how: Threads, delegates, and whether the interpreter has a process of its own.
        decision: Of the pipeline, in place of the bundle's.
        region: The part of each frame that the model sees.

    Raises:
        ModelRefused: The runtime refuses the file, or its tensors do not fit their description: says what was found and
            what was expected.
        ModelCrashed: The child process ended while it loaded the file.
    """
    spec = bundle.spec if decision is None else bundle.spec.model_copy(update={"decision": decision})
    isolation = how.isolation
    interpreter = IsolatedInterpreter(bundle.model, how, isolation) if isolation else Interpreter(bundle.model, how)
    try:
        model = LoadedModel(bundle, spec, interpreter, region)
        interpreter.invoke()
    except LinesideError:
        interpreter.close()
        raise
    return model


class TensorFiller:
    """Fills tensors that go round: as many as are on their way at the same time. Implements `agent.models.contract.Preparer`."""

    def __init__(self, model_input: ModelInput, tensor: TensorInfo) -> None:
        self._fill = model_input.fill
        self.size = model_input.size
        self._shape, self._dtype = tensor.shape, tensor.dtype
        self._spare: deque[npt.NDArray[Any]] = deque(maxlen=_SPARE_TENSORS)

    def prepare(self, pixels: npt.NDArray[Any]) -> Prepared:
        """Fill a tensor; see `agent.models.contract.Preparer`."""
        began_ns = time.perf_counter_ns()
        tensor = self._spare.popleft() if self._spare else np.zeros(self._shape, self._dtype)
        placement = self._fill(pixels, tensor)
        return Prepared(tensor, placement, began_ns, time.perf_counter_ns())

    def recycle(self, prepared: Prepared) -> None:
        """Take a tensor back; see `agent.models.contract.Preparer`."""
        self._spare.append(prepared.tensor)


class LoadedModel:
    """A model with its own interpreter. Implements `agent.models.contract.Model`."""

    def __init__(
        self, bundle: Bundle, spec: ModelSpec, interpreter: Interpreter | IsolatedInterpreter, region: Region
    ) -> None:
        """Put the parts together.

        Raises:
            ModelRefused: The tensors do not fit the description.
        """
        if len(interpreter.inputs) != 1:
            found = ", ".join(tensor.describe() for tensor in interpreter.inputs)
            raise ModelRefused(f"{bundle.title} has {len(interpreter.inputs)} inputs ({found}), one was expected")
        self._tensor = interpreter.inputs[0]
        self._spec, self._region = spec.input, region
        try:
            self._filler = self.preparer()
            self._decode = make_decoder(
                spec, interpreter.inputs, interpreter.outputs, bundle.labels, bundle.references
            ).decode
        except ModelRefused as error:
            raise ModelRefused(f"{bundle.title}: {error}", hint=error.hint) from error
        self._interpreter: Interpreter | IsolatedInterpreter | None = interpreter
        self.findings = [
            *interpreter.findings,
            *range_findings(bundle.title, spec.input, interpreter.inputs[0]),
            *_decision_findings(bundle.title, spec),
        ]
        self.rule = spec.decision.rule() if spec.decision else None
        self.reference = ModelReference(
            name=spec.name,
            version=spec.version,
            digest=bundle.digest,
            runtime=runtime_version(),
            delegate=interpreter.delegate,
        )

    def preparer(self) -> TensorFiller:
        """A new one; see `agent.models.contract.Model`."""
        return TensorFiller(make_input(self._spec, self._tensor, self._region), self._tensor)

    def infer(self, prepared: Prepared) -> Inferred:
        """Run the interpreter; see `agent.models.contract.Model`."""
        interpreter = self._interpreter
        if interpreter is None:
            raise ModelRefused(f"{self.reference.name} is closed")
        now = time.perf_counter_ns
        began_ns = now()
        interpreter.set_input(prepared.tensor)
        invoke_ns = now()
        interpreter.invoke()
        invoked_ns = now()
        return Inferred(interpreter.read_outputs(), prepared, began_ns, invoke_ns, invoked_ns)

    def decode(self, inferred: Inferred) -> Result:
        """What the outputs say; see `agent.models.contract.Model`."""
        prepared = inferred.prepared
        return self._decode(inferred.outputs, Context(prepared.tensor, prepared.placement))

    def predict(self, pixels: npt.NDArray[Any]) -> Result:
        """All three steps at once, for whoever is in no hurry.

        Args:
            pixels: See `agent.models.contract.Preparer.prepare`.

        Raises:
            ModelRefused: The interpreter failed.
            ModelCrashed: Its child process ended, or was ended.
        """
        prepared = self._filler.prepare(pixels)
        result = self.decode(self.infer(prepared))
        self._filler.recycle(prepared)
        return result

    def close(self) -> None:
        """Let the interpreter go. May be called twice."""
        interpreter, self._interpreter = self._interpreter, None
        if interpreter is not None:
            interpreter.close()


def _decision_findings(title: str, spec: ModelSpec) -> list[Finding]:
    """A detection that is not reported can reject nothing."""
    if spec.task != "detection" or spec.decision is None or spec.decision.reject.min_score >= spec.output.threshold:
        return []
    message = (
        f"{title} rejects from a score of {spec.decision.reject.min_score:g} on, but reports no detection below"
        f" output.threshold = {spec.output.threshold:g}"
    )
    return [
        Finding("reject-below-threshold", "warning", message, "lower output.threshold to decision.reject.min_score")
    ]
