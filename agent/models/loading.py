"""From a proven bundle to a model that predicts: interpreter, input and decoder put together.

Called in the pipeline's thread, which then owns the model. The file was tried in a child process before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent.core.errors import ModelRefused
from agent.core.findings import Finding
from agent.core.messages import ModelReference
from agent.models.contract import Outcome
from agent.models.decoders import Context, make_decoder
from agent.models.inputs import make_input, range_findings
from agent.models.interpreter import Interpreter, runtime_version

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.models.bundle import Bundle
    from agent.models.execution import Execution
    from agent.models.spec import DecisionSpec, ModelSpec


def load_model(bundle: Bundle, how: Execution, *, decision: DecisionSpec | None = None) -> LoadedModel:
    """Load a bundle into an interpreter of its own and run it once, so that the first frame finds its buffers ready.

    Args:
        bundle: What `agent.models.bundle` opened and `agent.models.trial` has proven.
        how: Threads and delegates.
        decision: Of the pipeline, in place of the bundle's.

    Raises:
        ModelRefused: The runtime refuses the file, or its tensors do not fit their description: says what was found and
            what was expected.
    """
    spec = bundle.spec if decision is None else bundle.spec.model_copy(update={"decision": decision})
    interpreter = Interpreter(bundle.model, how)
    model = LoadedModel(bundle, spec, interpreter)
    interpreter.invoke()
    return model


class LoadedModel:
    """A model with its own interpreter. Every method belongs to one thread."""

    def __init__(self, bundle: Bundle, spec: ModelSpec, interpreter: Interpreter) -> None:
        """Put the parts together.

        Raises:
            ModelRefused: The tensors do not fit the description.
        """
        if len(interpreter.inputs) != 1:
            found = ", ".join(tensor.describe() for tensor in interpreter.inputs)
            raise ModelRefused(f"{bundle.title} has {len(interpreter.inputs)} inputs ({found}), one was expected")
        try:
            self._input = make_input(spec.input, interpreter.inputs[0])
            self._decode = make_decoder(
                spec, interpreter.inputs, interpreter.outputs, bundle.labels, bundle.references
            ).decode
        except ModelRefused as error:
            raise ModelRefused(f"{bundle.title}: {error}", hint=error.hint) from error
        self._interpreter: Interpreter | None = interpreter
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

    def predict(self, pixels: npt.NDArray[Any]) -> Outcome:
        """Run the model on one frame; see `agent.models.contract.Model`."""
        interpreter = self._interpreter
        if interpreter is None:
            raise ModelRefused(f"{self.reference.name} is closed")
        now = time.perf_counter_ns
        started_ns = now()
        view = interpreter.input_view()
        placement = self._input.fill(pixels, view)
        del view  # the runtime must not invoke while somebody holds its buffer
        prepared_ns = now()
        interpreter.invoke()
        invoked_ns = now()
        result = self._decode(interpreter.read_outputs(), Context(interpreter.input_view(), placement))
        return Outcome(result, started_ns, prepared_ns, invoked_ns, now())

    def close(self) -> None:
        """Let the interpreter go. May be called twice."""
        self._interpreter = None


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
