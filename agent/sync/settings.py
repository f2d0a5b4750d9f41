"""`[sync]` of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from agent.schema import Strict
from agent.sync.schedule import Window


def _window(text: str) -> str:
    Window.parse(text)
    return text


class SyncSettings(Strict):
    """`[sync]`: where new versions of models with `registry = …` come from. Without `url` they come by `lineside sync import` only."""

    url: str | None = None
    """Address of the registry, https://… (http:// for the loopback, or with `insecure_http`)."""
    root: Path | None = None
    """File with the registry's root of trust (its `1.root.json`), which came to this machine on a way that is trusted."""
    root_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None
    """sha256 of that file, in its place: it is fetched from the registry and compared."""
    interval_s: float = Field(default=300.0, ge=5, le=604_800)
    """Seconds between two looks at the registry."""
    jitter_s: float = Field(default=30.0, ge=0, le=86_400)
    """Each look comes up to so many seconds earlier or later, so that a fleet does not come at once; at most half the interval."""
    window: Annotated[str, AfterValidator(_window)] | None = None
    """Maintenance window in local time, such as `02:00-05:00` or `22:30-04:00`; outside of it nothing is fetched and nothing taken into
    work, unless by `lineside sync now` or `import`. Default any time."""
    rate_limit_bytes_s: int | None = Field(default=None, ge=1000)
    """Bytes a second that a download may take, default any number."""
    on_delta_failure: Literal["full", "wait"] = "full"
    """When a patch cannot be had or does not fit: `full` fetches the whole file, `wait` tries again at the next look, for links that
    are paid by volume."""
    reserve_bytes: int = Field(default=200 << 20, ge=0)
    """Free bytes that a download leaves on the disk of the state directory."""
    keep_versions: int = Field(default=3, ge=2, le=100)
    """Versions of each model that stay on the disk, the active and the previous one among them."""
    insecure_http: bool = False
    """Allow http:// to another machine. What is fetched is verified all the same; whoever listens sees what this device runs."""
    timeout_s: float = Field(default=3600.0, ge=10, le=604_800)
    """A sync that is not done by then is ended; the next one goes on where it was."""
    prove_timeout_s: float = Field(default=120.0, ge=1, le=3600)
    """How long the golden samples of a new version may take on this device; one that takes longer is rejected."""

    def jitter(self) -> float:
        """Seconds that a look comes earlier or later at most."""
        return min(self.jitter_s, self.interval_s / 2)
