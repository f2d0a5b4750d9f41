"""Writes the reference of the configuration and of `model.toml` from the settings models: `python -m agent.config.reference`.

With `--check` it writes nothing and exits 1 when a file differs from what the code says.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.capture.settings import CaptureSettings, SamplesSettings
from agent.commands.settings import CommandsSettings
from agent.config import sample
from agent.config.fields import fields_of
from agent.config.settings import DeviceSettings, LogSettings
from agent.drift.settings import DriftSettings
from agent.generated import keep
from agent.models.gate_settings import GateSettings
from agent.models.settings import DelegateSettings, ModelSettings, RuntimeSettings
from agent.models.spec import (
    BoundsSpec,
    BudgetSpec,
    DecisionSpec,
    GoldenSpec,
    InputSpec,
    ModelSpec,
    OutputSpec,
    RejectSpec,
)
from agent.mqtt.settings import MqttSettings
from agent.pipeline.settings import BoundsSettings, PipelineSettings, SmoothingSettings
from agent.sources.camera.settings import CameraSettings
from agent.sources.images.settings import ImagesSettings
from agent.spool.settings import SpoolSettings
from agent.sync.settings import SyncSettings
from agent.telemetry.settings import LimitsSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

FOLDER = Path("docs/reference")
_MADE = "<!-- Written by `make reference` from the settings in the code; changes here are lost. -->\n"
_CONFIGURATION: Sequence[tuple[str, type[BaseModel]]] = (
    ("device", DeviceSettings),
    ("mqtt", MqttSettings),
    ('sources.<name>, type = "camera"', CameraSettings),
    ('sources.<name>, type = "images"', ImagesSettings),
    ("models.<name>", ModelSettings),
    ("models.<name>.gates", GateSettings),
    ("pipelines.<name>", PipelineSettings),
    ("pipelines.<name>.smoothing", SmoothingSettings),
    ("pipelines.<name>.bounds", BoundsSettings),
    ("pipelines.<name>.drift", DriftSettings),
    ("pipelines.<name>.capture", CaptureSettings),
    ("commands", CommandsSettings),
    ("runtime", RuntimeSettings),
    ("[runtime.delegates]", DelegateSettings),
    ("limits", LimitsSettings),
    ("spool", SpoolSettings),
    ("samples", SamplesSettings),
    ("sync", SyncSettings),
    ("log", LogSettings),
)
_BUNDLE: Sequence[tuple[str, type[BaseModel]]] = (
    ("model.toml", ModelSpec),
    ("input", InputSpec),
    ("output", OutputSpec),
    ("decision", DecisionSpec),
    ("decision.reject", RejectSpec),
    ("golden", GoldenSpec),
    ("budget", BudgetSpec),
    ("bounds", BoundsSpec),
    ("gates", GateSettings),
)
_LAYERS = """\
TOML, `/etc/lineside/agent.toml` unless `-c` names another file. Later wins: defaults, device profile, this file, `conf.d/*.toml`
beside it, systemd credentials, environment, command line. Relative paths are relative to the file that they stand in.

- Environment: `LINESIDE_MQTT__URL=…` sets `url` of `[mqtt]`; lists and tables are JSON. `LINESIDE_TEST_*` and `LINESIDE_REGISTRY*` are not configuration.
- systemd credentials: `mqtt-username`, `mqtt-password`, `mqtt-ca`, `mqtt-cert`, `mqtt-key`, by `LoadCredential=`.
- Names, ids and segments of a location match `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
- `lineside check CONFIG` says what is wrong; a key that is not known is an error with a "did you mean".
"""


def build() -> dict[str, str]:
    """Path under `docs/reference` to text, for every file of this reference."""
    return {
        "configuration.md": f"{_MADE}\n# Configuration\n\n{_LAYERS}\n"
        + "\n".join(_page(*each) for each in _CONFIGURATION),
        "bundle.md": f"{_MADE}\n# Bundle: model.toml\n\n{_BUNDLE_TEXT}\n" + "\n".join(_page(*each) for each in _BUNDLE),
        "agent.sample.toml": _sample(),
    }


_BUNDLE_TEXT = """\
A bundle is a folder: the `.tflite`, a `model.toml` that a person writes, and what both need. `lineside model pack DIR` checks
everything, proves the model on its golden samples, and writes `manifest.json` with the sha256 and length of each file. The
same keys describe a bare `.tflite` under `[models.<name>]`.

The files of a bundle:

- `model.toml`, written by a person: this page.
- `model.tflite`, `labels.txt`: from the training, under any name that `model.toml` gives.
- `golden/`: samples with the expected answer, of a person or of `model pack --data`.
- `golden/recorded.json`, `golden/recorded.npz` (`lineside.recorded/1`), of `model pack`: raw outputs to them, with runtime, delegate, machine
  and the tolerance that holds.
- `reference.json` (`lineside.reference/1`), of `model pack --data`: how scores, decisions and pictures are distributed, for drift.
- `evaluation.json` (`lineside.evaluation/1`), of `model evaluate`: measures with intervals, and sample by sample what was right, for the publish
  gate.
- `manifest.json` (`lineside.manifest/1`), of `model pack`: length and sha256 of each file above.
"""


def _page(header: str, model: type[BaseModel]) -> str:
    title = header if header == "model.toml" else f"[{header}]"
    lines = [f"## `{title}`", "", *_docstring(model)]
    fields = fields_of(model)
    if fields:
        lines += ["| key | what | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        default = "required" if field.required else f"`{field.default}`" if field.default else ""
        cells = (
            f"`{field.key}`",
            field.kind.replace("|", "\\|"),
            default.replace("|", "\\|"),
            field.text.replace("|", "\\|"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines).rstrip() + "\n"


def _docstring(model: type[BaseModel]) -> list[str]:
    """What the table is for, without its name, which stands in the title."""
    text = re.sub(r"^`[^:]*: ", "", " ".join((model.__doc__ or "").split()))
    is_symbol = text[1:2] == " "  # such as the n of "n of m"
    return [text if is_symbol else text[:1].upper() + text[1:], ""] if text else []


def _sample() -> str:
    tables = [
        sample.table("device", DeviceSettings, {"id": "press-07", "location": "graz/stamping/line-2"}),
        sample.table("mqtt", MqttSettings, {"url": "mqtt://127.0.0.1:1883"}),
        sample.table("sources.cam", CameraSettings, {"type": "camera", "url": "rtsp://camera-3.line-2/stream"}),
        sample.table("sources.folder", ImagesSettings, {"type": "images", "url": "pictures"}),
        sample.table("models.parts", ModelSettings, {"path": "bundles/parts"}),
        sample.table("pipelines.parts", PipelineSettings, {"source": "cam", "model": "parts"}),
        sample.table("pipelines.pictures", PipelineSettings, {"source": "folder", "model": "parts"}, only=set()),
        sample.table("runtime", RuntimeSettings),
        sample.table("commands", CommandsSettings),
        sample.table("limits", LimitsSettings),
        sample.table("spool", SpoolSettings),
        sample.table("samples", SamplesSettings),
        sample.table("sync", SyncSettings),
        sample.table("log", LogSettings),
    ]
    return (
        sample.comment("Every key of the configuration with its default. Written by `make reference`.")
        + "\n"
        + "\n".join(tables)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; the exit code."""
    return keep(FOLDER, build(), arguments)


if __name__ == "__main__":
    sys.exit(main())
