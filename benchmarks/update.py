"""What a device downloads for a new version, against all of its files, for three kinds of change of a real model.

A registry and its server by their commands, and the process that the agent starts for a sync. Metadata and assignments, some kilobytes a
poll, are not in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import agent, registry
from benchmarks.harness.figures import Figure, NotMeasured, at_most
from cloud_sync.store import ModelStore

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness.context import Context

_NAME = "mobilenet"
_CHANGES = {
    "metadata": ("metadata only", 0.01),
    "last-layer": ("last layer retrained", 0.40),
    "fine-tune": ("fine-tune, 20 % of the weights by ±1", 0.50),
}
"""The bounds keep what was measured first from getting worse: the last layer of this model is a third of it."""


def measure(ctx: Context, runs: int) -> list[Figure]:
    """One value each: bytes do not vary."""
    del runs
    first = agent.bundle(ctx.work / "update-1.0.0", _NAME, ctx.assets.model, ctx.assets.labels)
    made = registry.Registry(ctx.work / "update-registry", _NAME)
    figures = []
    with made:
        made.publish(first, "first")
        for number, change in enumerate(_CHANGES, 1):
            made.assign(change, _NAME, "1.0.0")
            figures.append(_figure(ctx, made, change, f"1.{number}.0"))
    return figures


def _figure(ctx: Context, made: registry.Registry, change: str, version: str) -> Figure:
    title, limit = _CHANGES[change]
    name = f"{title}: downloaded / all files"
    try:
        full, update = _bytes(ctx, made, change, version)
    except NotMeasured as error:
        return Figure(name, bound=at_most(limit), reason=str(error))
    ctx.say(f"{title}: {update} of {full} bytes")
    parts = {"update bytes": (float(update),), "full bytes": (float(full),)}
    return Figure(name, "", (update / full,), at_most(limit), parts)


def _bytes(ctx: Context, made: registry.Registry, change: str, version: str) -> tuple[int, int]:
    """All files of the version, and what its download takes where the first one is."""
    folder = ctx.work / f"update-{version}"
    folder.mkdir()
    ctx.script("change_model.py", change, ctx.assets.model, folder / "model.tflite")
    bundle = agent.bundle(folder, _NAME, folder / "model.tflite", ctx.assets.labels, version)
    state_dir = folder / "state"
    order = {
        "state_dir": state_dir,
        "device": "bench",
        "models": {_NAME: change},
        "root_path": made.root,
        "url": made.url,
    }
    _update(order, state_dir)
    made.publish(bundle, change)
    return _size(bundle), _update(order, state_dir)


def _update(order: dict[str, object], state_dir: Path) -> int:
    """Sync and adopt; the bytes that came."""
    outcome = registry.sync(order)
    if outcome["state"] != "staged":
        raise NotMeasured(f"a sync ended as {outcome['state']}: {outcome['error']}")
    store = ModelStore(state_dir)
    store.activate(store.staged())
    return int(outcome["bytes"])


def _size(bundle: Path) -> int:
    return sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file() and path.name != "manifest.json")
