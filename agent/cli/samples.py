"""`lineside samples list|show|export|purge`: frames that were kept on this device, whether the agent runs or not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG

if TYPE_CHECKING:
    from agent.capture.folder import Sample, SampleFolder

app = typer.Typer(help="Look at the frames that were kept on this device, and take them away.")

IdArgument = Annotated[str, typer.Argument(help="Id of its prediction, or how it begins or ends.", metavar="ID")]
IdsArgument = Annotated[
    list[str] | None, typer.Argument(help="Ids, or how they begin or end.", metavar="ID…", show_default=False)
]
PipelineOption = Annotated[str | None, typer.Option("--pipeline", help="Only of this pipeline.", metavar="NAME")]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        "--reason", help="Only of this reason: feedback, disagreement, drift, near_threshold, random.", metavar="REASON"
    ),
]
LabelledOption = Annotated[bool, typer.Option("--labelled", help="Only what a person has judged.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every sample.")]
BeforeOption = Annotated[
    str | None, typer.Option("--before", help="Those captured before this day, UTC.", metavar="YYYY-MM-DD")
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command("list")
def list_(
    pipeline: PipelineOption = None,
    reason: ReasonOption = None,
    labelled: LabelledOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show what was kept, the oldest first, and why.

    Exit codes: 0 done.
    """
    folder = _folder(config)
    samples = _chosen(folder, pipeline, reason, labelled=labelled)
    answer = {"folder": str(folder.root), "samples": [_outline(sample) for sample in samples]}
    output.result(answer, render(answer), as_json=as_json)


@app.command()
def show(sample: IdArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Print all that is known of a sample, and where its picture lies.

    Exit codes: 0 done, 1 there is no such sample.
    """
    import json

    folder = _folder(config)
    found = _named(folder, [sample])[0]
    answer = asdict(found) | {"file": str(folder.image(found))}
    text = json.dumps(asdict(found), indent=2, ensure_ascii=False)
    output.result(answer, f"{folder.image(found)}\n\n{text}", as_json=as_json)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="Folder that is not there yet, or is empty.", metavar="DIR")],
    pipeline: PipelineOption = None,
    reason: ReasonOption = None,
    labelled: LabelledOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Copy samples as a data set: a folder for each label, and labels.csv for those that a person has judged.

    Exit codes: 0 done, 1 the folder is not empty or cannot be written.
    """
    from agent.capture.export import export as write

    folder = _folder(config)
    samples = _chosen(folder, pipeline, reason, labelled=labelled)
    try:
        copies = write(folder, samples, target)
    except OSError as error:
        from agent.core.errors import BadData

        raise BadData(f"{target} cannot be written: {error.strerror}", hint="is there room, and may you?") from error
    labels = sum(sample.truth is not None for sample in samples)
    answer = {"folder": str(target), "samples": len(copies), "labelled": labels}
    text = f"{output.counted(len(copies), 'sample')} in {target}, {labels} that a person has judged in labels.csv"
    output.result(answer, text, as_json=as_json)


@app.command()
def purge(
    samples: IdsArgument = None,
    every: AllOption = False,
    before: BeforeOption = None,
    pipeline: PipelineOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Remove samples from this device for good.

    Exit codes: 0 they are gone, 1 one of them is not there or cannot be removed.
    """
    from agent.core.errors import BadData, UsageError

    if bool(samples) + bool(every) + (before is not None) != 1:
        raise UsageError("name samples by their ids, or --all, or --before a day", hint="lineside samples list")
    folder = _folder(config)
    going = _named(folder, samples) if samples else _chosen(folder, pipeline, None)
    going = [sample for sample in going if before is None or sample.day < before]
    try:
        for sample in going:
            folder.remove(sample)
    except OSError as error:
        raise BadData(f"{folder.root}: {error.strerror}", hint="as the agent's user, or as root") from error
    finally:
        folder.touch()
    answer = {"removed": [sample.id for sample in going]}
    output.result(answer, f"{output.counted(len(going), 'sample')} removed", as_json=as_json)


def _folder(config: str) -> SampleFolder:
    from agent.capture.folder import SampleFolder
    from agent.config.loading import load

    return SampleFolder(load(Path(config)).usable().device.state_dir)


def _chosen(folder: SampleFolder, pipeline: str | None, reason: str | None, *, labelled: bool = False) -> list[Sample]:
    from agent.core.errors import UsageError
    from agent.core.sampling import REASONS

    if reason is not None and reason not in REASONS:
        raise UsageError(f"{reason!r} is no reason", hint=", ".join(REASONS))
    return [
        sample
        for sample in folder.samples()
        if pipeline in (None, sample.pipeline)
        and (reason is None or reason in sample.reasons)
        and (sample.truth is not None or not labelled)
    ]


def _named(folder: SampleFolder, names: list[str]) -> list[Sample]:
    """Each by its id, or by a beginning or an end that no other has.

    Raises:
        BadData: One is not there, or several are meant.
    """
    from agent.core.errors import BadData

    known = list(folder.samples())
    found = []
    for name in names:
        meant = [s for s in known if s.id == name] or [s for s in known if s.id.startswith(name) or s.id.endswith(name)]
        if len(meant) != 1:
            raise BadData(f"{output.counted(len(meant), 'sample')} of {name!r}", hint="lineside samples list")
        found.append(meant[0])
    return found


def _outline(sample: Sample) -> dict[str, Any]:
    return {
        "id": sample.id,
        "captured_at": sample.captured_at,
        "pipeline": sample.pipeline,
        "reasons": sample.reasons,
        "decision": (sample.prediction or {}).get("decision"),
        "label": sample.label,
        "truth": None if sample.truth is None else sample.truth[1],
        "size_bytes": sample.image["size_bytes"],
    }


def render(answer: dict[str, Any]) -> str:
    """The answer of `list`, for people."""
    samples = answer["samples"]
    if not samples:
        return f"no sample in {answer['folder']}; what is kept is said by [pipelines.<name>.capture]"
    rows = [
        (
            s["id"],
            s["captured_at"][:19].replace("T", " "),
            s["pipeline"],
            ", ".join(s["reasons"]),
            s["decision"] or "-",
            s["truth"] or "-",
            f"{s['size_bytes'] / 1000:.0f}",
        )
        for s in samples
    ]
    head = ("id", "captured (UTC)", "pipeline", "reasons", "decided", "it is", "kB")
    total = sum(s["size_bytes"] for s in samples) / 1e6
    return f"{output.table(rows, head=head)}\n\n{output.counted(len(samples), 'sample')}, {total:.1f} MB"
