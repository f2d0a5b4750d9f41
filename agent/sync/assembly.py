"""The sync's parts put together, for the agent and for a command that runs where no agent does. Called by the composition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.models.execution import TrialLimits
from agent.sync.adoption import Adoption
from agent.sync.child import run_child
from agent.sync.job import SyncJob
from agent.sync.orders import Orders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.core.messages import ModelVersion
    from agent.life.driver import Life
    from agent.models.settings import ModelSettings, RuntimeSettings
    from agent.models.shelf import ModelShelf
    from agent.models.trial import Prover
    from agent.sync.settings import SyncSettings
    from cloud_sync.store import ModelStore


def make_job(
    settings: SyncSettings,
    runtime: RuntimeSettings,
    models: Mapping[str, ModelSettings],
    life: Life,
    *,
    store: ModelStore,
    shelf: ModelShelf,
    prover: Prover,
    device: str,
    profile: str,
    state_dir: Path,
    agent_version: str,
    on_candidate: Callable[[str, ModelVersion], None] = lambda _name, _version: None,
    on_degraded: Callable[[str | None], None] = lambda _: None,
) -> SyncJob:
    """A sync job; it is not started yet.

    Args:
        settings: `[sync]`.
        runtime: `[runtime]`.
        models: The tables under `models`.
        life: Takes what proves itself.
        store: Of this state directory.
        shelf: Gives models to the pipelines.
        prover: See `Adoption`.
        device: See `Orders`.
        profile: Likewise.
        state_dir: Likewise.
        agent_version: Likewise.
        on_candidate: See `Adoption`.
        on_degraded: See `SyncJob`.
    """
    limits = runtime.limits()
    adoption = Adoption(
        store,
        shelf,
        prover,
        life,
        models=models,
        trial=limits,
        golden=TrialLimits(settings.prove_timeout_s, limits.memory_bytes),
        on_candidate=on_candidate,
    )
    orders = Orders(
        settings,
        models,
        store,
        device=device,
        profile=profile,
        state_dir=state_dir,
        agent_version=agent_version,
        works=shelf.current,
    )
    return SyncJob(settings, orders, adoption, run=run_child, on_degraded=on_degraded)
