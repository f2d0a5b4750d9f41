"""The reference of the device profiles as a page: each value with where it comes from. Written by `agent.cli.reference`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel

import device_profiles

if TYPE_CHECKING:
    from device_profiles import Profile

Section = Literal["match", "runtime", "camera", "limits"]

_INTRODUCTION = """\
<!-- Written by `make reference` from the device profiles; changes here are lost. -->

# Device profiles

`device.profile = "auto"` takes the profile that fits the machine; a name takes that one. Of a profile, `[runtime]` gives defaults to
the configuration, and `[camera]` gives width, height, fps and fourcc to cameras that are devices (`/dev/video0`, not streams).
Whatever stands in the configuration wins. Of `[limits]`, `throttle_c` less 2 °C is the default of `limits.max_temperature_c`; the rest
is for people: what to expect of such a machine.

Each value says where it comes from: a specification, a measurement, or an estimate that nobody has checked on that device yet.
"""


def page() -> str:
    """The whole page."""
    profiles = [device_profiles.load(name) for name in device_profiles.names()]
    overview = ["| profile | device |", "|---|---|", *(f"| [`{p.name}`](#{p.name}) | {p.title} |" for p in profiles)]
    return "\n".join([_INTRODUCTION, "\n".join(overview) + "\n", *map(_section, profiles)])


def _section(profile: Profile) -> str:
    lines = [f"## {profile.name}", "", f"{profile.title}. {profile.description}", ""]
    lines += ["| value | | source |", "|---|---|---|"]
    for section in get_args(Section):
        table: BaseModel = getattr(profile, section)
        for key, source in profile.sources.get(section, {}).items():
            cells = (f"`{section}.{key}`", _text(getattr(table, key)), source)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case BaseModel():
            return ", ".join(f"{key} {inner}" for key, inner in value.model_dump(exclude_unset=True).items())
        case list() | tuple():
            return "; ".join(_text(entry) for entry in value)
        case bool() | str() | None:
            return str(value)
        case int():
            return f"{value:,}"
        case _:
            return str(value)
