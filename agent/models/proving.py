"""Does a bundle prove itself? The trial in a child process, the fit of its tensors, its golden samples and its budget.

Used by the commands that pack, verify and check bundles; the agent itself does the trial and the fit when it loads a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.errors import ModelRefused
from agent.core.findings import Finding
from agent.models.golden import GoldenReport, judge
from agent.models.loading import load_model
from agent.models.recorded import Recorder, compare, read_recording
from agent.models.trial import TrialReport, try_model

if TYPE_CHECKING:
    from agent.models.bundle import Bundle
    from agent.models.execution import Execution, TrialLimits
    from agent.models.recorded import Agreement, Recording

_ENOUGH_SAMPLES = 20
"""Below it a 99th percentile says nothing."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about a bundle.

    Attributes:
        trial: What the runtime made of the file.
        golden: How it did on its golden samples; None without any.
        findings: What a person should know; a bundle with a finding of severity `error` does not prove itself.
        recording: Raw outputs to the golden samples, here; None without any.
        agreement: Of them with those that were recorded when the bundle was packed; None where nothing was.
    """

    trial: TrialReport
    golden: GoldenReport | None
    findings: tuple[Finding, ...]
    recording: Recording | None = None
    agreement: Agreement | None = None

    @property
    def holds(self) -> bool:
        """Whether the bundle proves itself."""
        return all(finding.severity != "error" for finding in self.findings)


def prove(bundle: Bundle, how: Execution, limits: TrialLimits, *, anew: bool = False) -> Proof:
    """Try, load and judge a bundle.

    Args:
        bundle: What `agent.models.bundle` opened.
        how: Threads and delegates.
        limits: Of the trial.
        anew: Outputs that were recorded before say nothing: they are about to be replaced.

    Raises:
        ModelRefused: The runtime refuses the file, or its tensors or samples do not fit its description.
        NotTrusted: A golden sample differs from its digest.
    """
    return examine(bundle, how, try_model(bundle.model, how, limits), anew=anew)


def examine(bundle: Bundle, how: Execution, trial: TrialReport, *, anew: bool = False) -> Proof:
    """Load and judge a bundle whose file was tried.

    Args:
        bundle: What `agent.models.bundle` opened.
        how: Threads and delegates.
        trial: Its report.
        anew: See `prove`.

    Raises:
        ModelRefused: Its tensors or samples do not fit its description.
        NotTrusted: A golden sample differs from its digest.
    """
    try:
        model = load_model(bundle, how)
    except ModelRefused as error:
        raise ModelRefused(f"{bundle.folder or bundle.model}: {error}", hint=error.hint) from error
    try:
        recorder = Recorder(bundle, model.reference.runtime, model.reference.delegate)
        golden = judge(bundle, model, recorder.seen)
    finally:
        model.close()
    before, recording = None if anew else read_recording(bundle), recorder.recording()
    agreement = compare(before, recording) if before and recording else None
    findings = [*bundle.findings, *model.findings]
    findings += _golden_findings(bundle, golden) + _budget_findings(bundle, trial, golden)
    findings += _agreement_findings(bundle, agreement)
    return Proof(trial, golden, tuple(findings), recording, agreement)


def _golden_findings(bundle: Bundle, golden: GoldenReport | None) -> list[Finding]:
    if golden is None:
        if bundle.folder is None:
            return []
        message = f"{bundle.title} has no golden samples, so nothing shows that its answers are right"
        return [Finding("no-golden", "warning", message, "add [golden] with samples and their expected answers")]
    findings = []
    if not golden.passed:
        message = (
            f"{bundle.title} gets {golden.right} of {golden.samples} golden samples right ({golden.accuracy:.3f}),"
            f" its bundle asks for {golden.min_accuracy:g}: {'; '.join(golden.wrong[:3])}"
        )
        findings.append(
            Finding("golden-failed", "error", message, "is it the right model, with its own labels, mean and std?")
        )
    return findings


def _agreement_findings(bundle: Bundle, agreement: Agreement | None) -> list[Finding]:
    if agreement is None or agreement.holds:
        return []
    message = (
        f"{bundle.title} answers otherwise than when it was packed: {agreement.agreeing} of {agreement.samples} golden samples are within"
        f" {agreement.tolerance:.0%} of the output's range, the largest difference is {agreement.largest:.0%};"
        f" recorded with {agreement.recorded_with}, here {agreement.here_with}"
    )
    return [
        Finding(
            "outputs-differ", "error", message, "a delegate that computes wrongly, or a model other than the packed one"
        )
    ]


def _budget_findings(bundle: Bundle, trial: TrialReport, golden: GoldenReport | None) -> list[Finding]:
    """A warning only: this machine may not be the one that the budget is meant for."""
    p99_ms = bundle.spec.budget.p99_ms
    if p99_ms is None:
        return []
    judged = golden is not None and golden.samples >= _ENOUGH_SAMPLES
    took_ms, what = (golden.p99_ms, "p99") if golden is not None and judged else (trial.invoke_ms, "one invoke")
    if took_ms <= p99_ms:
        return []
    message = f"{bundle.title} takes {took_ms:g} ms ({what}) on this machine, its budget is {p99_ms:g} ms"
    return [Finding("over-budget", "warning", message, "measure it on the device that it is meant for")]
