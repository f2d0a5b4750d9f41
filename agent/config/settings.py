"""The whole configuration as one table of tables (design, section 4.2). Each plug-in's own table stands in its `settings.py`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from agent.capture.settings import SamplesSettings
from agent.commands.settings import CommandsSettings
from agent.core.names import is_name, to_name
from agent.core.supervision import Limits
from agent.models.settings import ModelSettings, RuntimeSettings
from agent.mqtt.settings import MqttSettings
from agent.pipeline.settings import PipelineSettings
from agent.schema import Name, Strict
from agent.sources.settings import SourceSettings
from agent.spool.settings import SpoolSettings
from agent.sync.settings import SyncSettings
from agent.telemetry.settings import LimitsSettings

ENV_PREFIX = "LINESIDE_"
"""Beginning of every variable of the environment that is configuration."""


def _location(text: str) -> str:
    for segment in text.split("/") if text else ():
        if not is_name(segment):
            raise ValueError(f"segment {segment!r} is no name; letters, digits, dot, dash, underscore, at most 64 each")
    return text


class DeviceSettings(Strict):
    """`[device]`: which device this is."""

    id: Name = Field(default_factory=lambda: to_name(socket.gethostname()))
    """Name of the device in every topic and message, default the host name."""
    location: Annotated[str, AfterValidator(_location)] = ""
    """`site/area/line…`, any depth or none; goes into every topic."""
    profile: str = "auto"
    """Name of a device profile, or `auto`: what the device tree, DMI and the processor say."""
    state_dir: Path = Path("/var/lib/lineside")
    """Folder for everything that outlives the agent. One agent per folder."""
    health_interval_s: float = Field(default=30.0, ge=1, le=3600)
    """Seconds between two messages on `health`."""
    shutdown_grace_s: float = Field(default=10.0, ge=0, le=300)
    """Seconds that a stop may take to deliver what waits."""


class LogSettings(Strict):
    """`[log]`: what the agent writes about itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is written."""
    format: Literal["auto", "terminal", "json", "journal"] = "auto"
    """`auto`: journal fields under systemd (JSON where the journal cannot be reached), else lines for people."""


class SupervisionSettings(Strict):
    """`[supervision]`: what happens to a source, a pipeline or a sink that hangs; the others go on."""

    stall_after_s: float = Field(default=30.0, ge=1, le=3600)
    """A pipeline hangs when one call on the way of a frame (prepare, infer, decode, send) takes longer; loading a model may take
    `runtime.trial_timeout_s` more for each pipeline. Sources know themselves how long their calls may take."""
    max_restarts: int = Field(default=3, ge=0, le=1000)
    """Restarts of one part within `within_s`, each with a fresh thread; a part that needs one more is `failed`."""
    within_s: float = Field(default=600.0, ge=1, le=86400)
    """The stretch of time in which restarts count; a failed part that has worked for so long is as new."""
    retry_s: float = Field(default=300.0, ge=1, le=86400)
    """A failed part is tried again after so many seconds."""
    max_abandoned: int = Field(default=8, ge=1, le=1000)
    """Threads that hang, were replaced and have not ended, of the whole agent. With so many it ends with exit code 1, so that systemd
    starts a fresh one."""

    def limits(self) -> Limits:
        """What the supervisor goes by."""
        return Limits(self.max_restarts, self.within_s, self.retry_s, self.max_abandoned)


class AgentSettings(Strict):
    """A whole configuration."""

    device: DeviceSettings = DeviceSettings()
    mqtt: MqttSettings = MqttSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    log: LogSettings = LogSettings()
    spool: SpoolSettings = SpoolSettings()
    samples: SamplesSettings = SamplesSettings()
    sync: SyncSettings = SyncSettings()
    commands: CommandsSettings = CommandsSettings()
    limits: LimitsSettings = LimitsSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    sources: dict[Name, SourceSettings] = Field(default={})
    """Cameras, files and folders by name."""
    models: dict[Name, ModelSettings] = Field(default={})
    """Models by name."""
    pipelines: dict[Name, PipelineSettings] = Field(default={})
    """Which model looks at which source."""

    @property
    def syncs(self) -> bool:
        """Whether new versions of models may come from a registry."""
        return self.sync.url is not None or any(model.registry is not None for model in self.models.values())
