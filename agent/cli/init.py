"""`lineside init`: a commented configuration for the machine that it runs on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import JsonOption

if TYPE_CHECKING:
    from pydantic import BaseModel


def init(
    target: Annotated[Path, typer.Option("--output", "-o", help="File to write.", metavar="FILE")] = Path("agent.toml"),
    model: Annotated[Path, typer.Option(help="Bundle folder or .tflite of the first pipeline.")] = Path(
        "bundles/my-model"
    ),
    camera: Annotated[
        str, typer.Option(help="Address of a camera, or a folder of pictures; default what this machine has.")
    ] = "",
    broker: Annotated[str, typer.Option(help="Address of the MQTT broker.")] = "mqtt://127.0.0.1:1883",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented configuration for the detected machine: device profile, first camera, one pipeline.

    Exit codes: 0 written, 1 the file is there already or cannot be written, 2 an address makes no sense.
    """
    from agent.core.errors import BadData
    from cloud_sync.atomic import write_atomically
    from device_profiles import detect

    if target.exists() and not force:
        raise BadData(f"{target} is there already", hint="lineside init --output OTHER, or --force to replace it")
    found = detect()
    cameras = sorted(str(path) for path in Path("/dev").glob("video*"))
    url = camera or (cameras[0] if cameras else found.profile.camera.url)
    source = source_table(url, seen_from(target, url), found.profile.camera.model_dump())
    text = configuration(found.profile.name, found.why, source, Path(seen_from(target, str(model))), broker)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text.encode(errors="surrogateescape"))
    except OSError as error:
        raise BadData(f"{target} cannot be written: {error.strerror}", hint="lineside init --output OTHER") from error
    data = {"file": str(target), "profile": found.profile.name, "why": found.why, "camera": url, "cameras": cameras}
    rows = [
        ("written", str(target)),
        ("profile", f"{found.profile.name}: {found.why}"),
        ("camera", url + ("" if cameras or camera else "  (none is connected; this is where it usually is)")),
        ("next", f"lineside check {target}, then lineside run -c {target}"),
    ]
    output.result(data, output.table(rows), as_json=as_json)


def seen_from(target: Path, path: str) -> str:
    """A relative path as the file `target` has to write it, if it names something that is there; else as it is."""
    return os.path.relpath(path, target.parent) if Path(path).exists() and not Path(path).is_absolute() else path


def source_table(url: str, written: str, hints: dict[str, Any]) -> dict[str, Any]:
    """What stands under `[sources.camera]`.

    Args:
        url: As the person gave it.
        written: As the file has to write it.
        hints: width, height, fps and fourcc for a camera that is a device.
    """
    from agent.sources.camera.address import kind_of

    if Path(url).is_dir():
        return {"type": "images", "url": written}
    asked = {key: hints[key] for key in ("width", "height", "fps", "fourcc")} if kind_of(url) == "device" else {}
    return {"type": "camera", "url": written, **asked}


def configuration(profile: str, why: str, source: dict[str, Any], model: Path, broker: str) -> str:
    """The text of the file.

    Args:
        profile: Name of the detected device profile.
        why: How it was detected.
        source: What stands under `[sources.camera]`.
        model: Bundle folder or .tflite.
        broker: Address.

    Raises:
        UsageError: An address makes no sense.
    """
    from agent.config import sample
    from agent.config.settings import DeviceSettings, LogSettings
    from agent.models.settings import ModelSettings, RuntimeSettings
    from agent.mqtt.settings import MqttSettings
    from agent.pipeline.settings import PipelineSettings
    from agent.sources.camera.settings import CameraSettings
    from agent.sources.images.settings import ImagesSettings

    of_source = ImagesSettings if source["type"] == "images" else CameraSettings
    _must_fit("--camera", of_source, source)
    _must_fit("--broker", MqttSettings, {"url": broker})
    tables = [
        sample.table(
            "device", DeviceSettings, {"id": DeviceSettings().id, "location": "site/line-1", "profile": "auto"}
        ),
        sample.table("mqtt", MqttSettings, {"url": broker}),
        sample.comment(f"The profile {profile} ({why}) sets these; whatever stands here wins.")
        + sample.table("runtime", RuntimeSettings),
        sample.table("sources.camera", of_source, source),
        sample.table("models.parts", ModelSettings, {"path": model}, only={"threads"}),
        sample.table(
            "pipelines.inspect",
            PipelineSettings,
            {"source": "camera", "model": "parts", "publish": "every", "events": "reject"},
        ),
        sample.table("log", LogSettings),
    ]
    return "# Configuration of Lineside. `lineside check` says what is wrong with it.\n\n" + "\n".join(tables)


def _must_fit(option: str, table: type[BaseModel], values: dict[str, Any]) -> None:
    from pydantic import ValidationError

    from agent.core.errors import UsageError
    from agent.schema import problems

    try:
        table.model_validate(values)
    except ValidationError as error:
        fault = problems(error, table)[0]
        raise UsageError(f"{option}: {fault.message}", hint=fault.hint) from None
