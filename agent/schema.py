"""The base of every table that a person writes, in configurations and in `model.toml`. Imported by each `settings.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.core.names import NAME_PATTERN

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Strict(BaseModel):
    """Unknown keys are faults, values do not change after validation, and the text under a field is the manual."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
