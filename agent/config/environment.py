"""One variable of the environment as nested tables. The one door to pydantic-settings.

Imported where a variable is set: pydantic-settings and the second build of all tables that it asks for take 50 ms and 5 MB.
"""

from __future__ import annotations

from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from agent.config.settings import ENV_PREFIX, AgentSettings


class _Environment(BaseSettings, AgentSettings):
    """The same tables, as pydantic-settings wants them in order to read variables."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__")


def tables_of(variable: str, value: str) -> dict[str, Any]:
    """What `LINESIDE_MQTT__URL=…` and its like say.

    Raises:
        ValueError: The variable is a table or a list, and its value is no JSON.
    """
    source = EnvSettingsSource(_Environment)
    source.env_vars = {variable.lower(): value}
    try:
        return source()
    except (SettingsError, RecursionError) as error:
        raise ValueError(f"{variable} is no JSON") from error
