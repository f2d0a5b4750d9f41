"""`[sources.<name>]` of the configuration: one table per kind of source, told apart by `type`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.sources.camera.settings import CameraSettings
from agent.sources.images.settings import ImagesSettings

SourceSettings = Annotated[CameraSettings | ImagesSettings, Field(discriminator="type")]
