"""Reads the profiles that are shipped in `data/`. Takes no profile from anywhere else."""

from __future__ import annotations

import difflib
import sys
from functools import cache
from pathlib import Path

from device_profiles._profile import Profile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]  # not installed where 3.11 checks for 3.10

_DATA = Path(__file__).parent / "data"


class UnknownProfile(LookupError):
    """No profile has this name.

    Attributes:
        name: The name that was asked for.
        known: The names that there are.
        suggestion: The known name that looks most like it, or None.
    """

    def __init__(self, name: str, known: tuple[str, ...], suggestion: str | None) -> None:
        super().__init__(name, known, suggestion)
        self.name = name
        self.known = known
        self.suggestion = suggestion

    def __str__(self) -> str:
        """One sentence, with the suggestion or else with all names."""
        advice = f"did you mean {self.suggestion}?" if self.suggestion else f"there are {', '.join(self.known)}"
        return f"no device profile {self.name!r}; {advice}"


@cache
def names() -> tuple[str, ...]:
    """The names of all profiles, sorted."""
    return tuple(sorted(file.stem for file in _DATA.glob("*.toml")))


@cache
def load(name: str) -> Profile:
    """The profile `name`; read once, then remembered.

    Raises:
        UnknownProfile: No profile has this name.
    """
    if name not in names():
        raise UnknownProfile(name, names(), next(iter(difflib.get_close_matches(name, names(), n=1)), None))
    text = (_DATA / f"{name}.toml").read_text(encoding="utf-8")
    return Profile.model_validate({"name": name, **tomllib.loads(text)})
