"""The whole configuration as one table of tables (design, section 4.2). Each plug-in's own table stands in its `settings.py`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from agent.commands.settings import CommandsSettings
from agent.core.names import is_name, to_name
from agent.models.settings import ModelSettings, RuntimeSettings
from agent.mqtt.settings import MqttSettings
from agent.pipeline.settings import PipelineSettings
from agent.schema import Name, Strict
from agent.sources.settings import SourceSettings
from agent.spool.settings import SpoolSettings

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


class SyncSettings(Strict):
    """`[sync]`: where model updates come from. Nothing can be set yet: models are named by path."""


class AgentSettings(Strict):
    """A whole configuration."""

    device: DeviceSettings = DeviceSettings()
    mqtt: MqttSettings = MqttSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    log: LogSettings = LogSettings()
    spool: SpoolSettings = SpoolSettings()
    sync: SyncSettings = SyncSettings()
    commands: CommandsSettings = CommandsSettings()
    sources: dict[Name, SourceSettings] = Field(default={})
    """Cameras, files and folders by name."""
    models: dict[Name, ModelSettings] = Field(default={})
    """Models by name."""
    pipelines: dict[Name, PipelineSettings] = Field(default={})
    """Which model looks at which source."""
