"""Configurations written for people: every key with its manual, set or commented out with its default."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from agent.config.fields import fields_of, toml_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

_WIDTH = 110


def table(
    header: str, model: type[BaseModel], values: Mapping[str, Any] | None = None, *, only: set[str] | None = None
) -> str:
    """One table of a configuration.

    Args:
        header: What stands in the brackets, such as `sources.cam`.
        model: The table's settings model.
        values: Keys to set; all others are commented out with their default.
        only: Keys to show at all, default every one that is no nested table.
    """
    given = dict(values or {})
    lines = [f"[{header}]"]
    for field in fields_of(model):
        shown = field.key in given or (field.key in only if only is not None else field.table is None)
        if not shown:
            continue
        lines.append(comment(field.text).rstrip())
        if field.key in given:
            lines.append(f"{field.key} = {toml_value(given[field.key])}")
        else:
            lines.append(f"#{field.key} = {field.default}".rstrip())
    return "\n".join(lines) + "\n"


def comment(text: str) -> str:
    """A text as lines of a comment."""
    lines = textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    return "".join(f"{line}\n" for line in lines)
