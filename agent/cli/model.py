"""`lineside model inspect|pack|verify|evaluate|quantize`: look at a file, seal, check, judge a bundle; and what `model_life` has to say to the agent."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import model_life, output
from agent.cli.model_evaluate import evaluate
from agent.cli.model_quantize import quantize
from agent.cli.output import JsonOption

if TYPE_CHECKING:
    from agent.models.bundle import Bundle
    from agent.models.proving import Proof
    from agent.models.tensors import TensorInfo
    from agent.models.tflite_file import TfliteFile
    from agent.models.tflite_metadata import ModelMetadata
    from agent.models.trial import TrialReport
    from cloud_sync.manifest import Manifest

app = typer.Typer(help="Look at models, pack, judge and quantize bundles; speak of versions to the running agent.")
app.command("return")(model_life.return_)
for _command in (evaluate, quantize, model_life.hold, model_life.confirm, model_life.feedback):
    app.command()(_command)

FileArgument = Annotated[Path, typer.Argument(help="A .tflite file, or a bundle folder.", metavar="FILE")]
FolderArgument = Annotated[Path, typer.Argument(help="A bundle folder.", metavar="DIR")]
_TENSORS_SHOWN, _OPERATORS_SHOWN = 12, 20
_WIDTHS = (10,)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command()
def inspect(file: FileArgument, as_json: JsonOption = False) -> None:
    """Print tensors, types, quantization, operators, size, metadata, and what the runtime makes of a model.

    Exit codes: 0 the runtime takes it, 1 it does not, or the file is no model.
    """
    from agent.core.errors import ModelRefused
    from agent.models.bundle import inside, read_description
    from agent.models.execution import Execution, TrialLimits
    from agent.models.tflite_file import read_tflite
    from agent.models.tflite_metadata import read_metadata
    from agent.models.trial import try_model

    path = inside(file, read_description(file).model, "model") if file.is_dir() else file
    found, metadata = read_tflite(path), read_metadata(path)
    try:
        trial = try_model(path, Execution(), TrialLimits())
    except ModelRefused as error:
        if not as_json:
            output.result(None, _file_text(path, found, metadata), as_json=False)
        raise ModelRefused(str(error), hint="convert it again, for the built-in operators of this runtime") from error
    data = {
        "file": str(path),
        **asdict(found),
        "metadata": asdict(metadata) if metadata else None,
        "trial": asdict(trial),
    }
    text = f"{_file_text(path, found, metadata)}\n{_trial_text(trial)}"
    output.result(data, text, as_json=as_json)


@app.command()
def pack(
    folder: FolderArgument,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Evaluation set: reference statistics are made of it, and golden samples where [golden] names an empty folder.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything about a bundle, prove it, record its golden outputs, and write its manifest.json in place.

    Exit codes: 0 packed, 1 it does not prove itself or cannot be read, 5 a golden sample is not what it should be.
    """
    from agent.core.errors import ModelRefused
    from agent.models.bundle import open_unpacked
    from agent.models.recorded import write_recording
    from cloud_sync import manifest

    bundle = open_unpacked(folder)
    sealed = _sealed(bundle, data)
    _say_if_reference_stale(bundle)
    proof = _prove(bundle, anew=True)
    if not proof.holds:
        _say(proof)
        raise ModelRefused(f"{folder} does not prove itself, so it was not packed", hint="mend what is named above")
    if proof.recording is not None and bundle.spec.golden is not None:
        write_recording(folder / bundle.spec.golden.folder, proof.recording)
    listed = manifest.describe(folder, bundle.spec.name, bundle.spec.version)
    manifest.write(folder, listed)
    _say(proof)
    _say_if_stale(folder, listed)
    size_bytes = sum(entry.length_bytes for entry in listed.files)
    answer = {
        **_proof_data(bundle, proof),
        "digest": listed.digest,
        "files": len(listed.files),
        "size_bytes": size_bytes,
    }
    text = output.table(
        [
            ("packed", f"{bundle.title}, {len(listed.files)} files, {_size(size_bytes)}"),
            ("digest", listed.digest),
            *_proof_rows(proof),
            *sealed,
        ]
    )
    output.result(answer, text, as_json=as_json)


@app.command()
def verify(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Compare a bundle with its manifest, and prove it again on this machine.

    Exit codes: 0 it is what its manifest says and proves itself, 1 it does not, 5 a file differs from the manifest.
    """
    from agent.core.errors import ModelRefused
    from agent.models.bundle import open_bundle

    bundle = open_bundle(folder)
    proof = _prove(bundle)
    _say(proof)
    if not proof.holds:
        raise ModelRefused(f"{folder} does not prove itself on this machine", hint="mend what is named above")
    state = "differs in nothing from its manifest" if _is_packed(bundle) else "has no manifest"
    text = output.table([("verified", f"{bundle.title} {state}"), ("digest", bundle.digest), *_proof_rows(proof)])
    output.result(_proof_data(bundle, proof) | {"packed": _is_packed(bundle)}, text, as_json=as_json)


def _say_if_stale(folder: Path, listed: Manifest) -> None:
    """The publish gate refuses an evaluation of other files; whoever packs should hear of it first."""
    from agent.core.findings import Finding
    from cloud_sync.evaluation.report import NAME, Report

    if not (folder / NAME).is_file():
        return
    files = {entry.path: entry.sha256 for entry in listed.files}
    if other := Report.decode((folder / NAME).read_bytes(), str(folder / NAME)).stale(files):
        message = f"{folder / NAME} is of another {', '.join(other)}, so a registry will refuse it"
        output.finding(Finding("evaluation-stale", "warning", message, f"lineside model evaluate {folder} --data DIR"))


def _say_if_reference_stale(bundle: Bundle) -> None:
    """A line that is as it should be would seem to drift from it, and the version would be returned from."""
    from agent.core.findings import Finding
    from agent.models.reference import stale

    if other := stale(bundle):
        message = (
            f"{bundle.folder}/reference.json is of another {', '.join(other)}, so the line will seem to drift from it"
        )
        hint = f"lineside model pack {bundle.folder} --data DIR makes it anew; or remove it"
        output.finding(Finding("reference-stale", "warning", message, hint))


def _prove(bundle: Bundle, *, anew: bool = False) -> Proof:
    from agent.models.execution import Execution, TrialLimits
    from agent.models.proving import prove

    return prove(bundle, Execution(), TrialLimits(), anew=anew)


def _sealed(bundle: Bundle, data: Path | None) -> list[tuple[str, str]]:
    """What an evaluation set added to a bundle, as rows."""
    if data is None:
        return []
    from agent.evaluation.data import read_data
    from agent.evaluation.sealing import seal
    from agent.models.execution import Execution, TrialLimits

    done = seal(bundle, read_data(data), Execution(), TrialLimits())
    rows = [("reference", f"statistics of {output.counted(done.reference, 'sample')}")]
    return rows + ([("golden", f"{output.counted(done.golden, 'sample')} taken from {data}")] if done.golden else [])


def _is_packed(bundle: Bundle) -> bool:
    return all(finding.code != "not-packed" for finding in bundle.findings)


def _say(proof: Proof) -> None:
    for finding in proof.findings:
        output.finding(finding)


def _proof_data(bundle: Bundle, proof: Proof) -> dict[str, Any]:
    golden = proof.golden
    return {
        "name": bundle.spec.name,
        "version": bundle.spec.version,
        "digest": bundle.digest,
        "trial": asdict(proof.trial),
        "golden": asdict(golden) | {"accuracy": round(golden.accuracy, 4)} if golden else None,
        "agreement": asdict(proof.agreement) if proof.agreement else None,
        "findings": [asdict(finding) for finding in proof.findings],
    }


def _proof_rows(proof: Proof) -> list[tuple[str, str]]:
    golden = proof.golden
    rows = [("runs", _runs(proof.trial))]
    if golden is not None:
        rows.append(("golden", f"{golden.right} of {golden.samples} right, {golden.min_accuracy:g} asked for"))
    agreement = proof.agreement
    if agreement is not None:
        share = f"{agreement.agreeing} of {agreement.samples} within {agreement.tolerance:.0%} of the output's range"
        rows.append(("recorded", f"{share}, at most {agreement.largest:.1%} off; with {agreement.recorded_with}"))
    elif proof.recording is not None:
        rows.append(("recorded", f"outputs to {output.counted(len(proof.recording.files), 'golden sample')}"))
    return rows


def _runs(trial: TrialReport) -> str:
    by = (
        "without a delegate"
        if trial.delegate == "none"
        else f"{trial.delegate} takes {trial.delegated} of {trial.operators} operators"
    )
    return f"{trial.runtime}, {by}, {trial.invoke_ms:.2f} ms an invoke"


def _file_text(path: Path, file: TfliteFile, metadata: ModelMetadata | None) -> str:
    rows = [
        ("file", f"{path}, {_size(file.size_bytes)}, {file.parameters:,} parameters"),
        ("precision", file.quantization_text),
        ("made by", file.description or "not said"),
    ]
    rows += [("signatures", ", ".join(file.signatures))] if file.signatures else []
    rows += [("subgraphs", str(file.subgraphs))] if file.subgraphs > 1 else []
    rows += [("input", _tensor_text(tensor)) for tensor in file.inputs[:_TENSORS_SHOWN]]
    rows += [("output", _tensor_text(tensor)) for tensor in file.outputs[:_TENSORS_SHOWN]]
    operators = [f"{count} {name}" for name, count in list(file.operators.items())[:_OPERATORS_SHOWN]]
    hidden = len(file.operators) - len(operators)
    rows.append(("operators", ", ".join(operators) + (f" and {hidden} more kinds" if hidden > 0 else "")))
    rows += [("custom", ", ".join(file.custom_operators))] if file.custom_operators else []
    rows.append(("metadata", _metadata_text(metadata)))
    return output.table(rows, widths=_WIDTHS)


def _metadata_text(metadata: ModelMetadata | None) -> str:
    if metadata is None:
        return "none"
    parts = [
        metadata.name,
        metadata.version and f"version {metadata.version}",
        metadata.author and f"by {metadata.author}",
    ]
    parts += [f"{len(metadata.labels)} labels"] if metadata.labels else []
    parts += [f"mean {list(metadata.mean)}, std {list(metadata.std)}"] if metadata.mean else []
    parts += [f"unreadable: {metadata.problem}"] if metadata.problem else []
    return ", ".join(part for part in parts if part) or "empty"


def _trial_text(trial: TrialReport) -> str:
    return output.table(
        [("runs", _runs(trial)), *(("finding", finding.message) for finding in trial.findings)], widths=_WIDTHS
    )


def _tensor_text(tensor: TensorInfo) -> str:
    text = f"{tensor.describe()}  {tensor.name}"
    if len(tensor.scales) == 1:
        return f"{text}  scale {tensor.scales[0]:.6g}, zero point {tensor.zero_points[0]}"
    return f"{text}  {len(tensor.scales)} scales along axis {tensor.quantized_dimension}" if tensor.scales else text


def _size(size_bytes: int) -> str:
    kb = size_bytes / 1000
    return f"{kb / 1000:.1f} MB" if kb >= 1000 else f"{kb:.1f} kB"  # noqa: PLR2004 - a thousand
