"""Models offered to pipelines, and what comes back of that. Pipelines of one source take theirs at the same frame: no part is decided by half a set.

Belongs to the driver's thread.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.core.boundary import Boundary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.core.boundary import Handover
    from agent.models.contract import Model
    from agent.pipeline.offer import Offer
    from agent.pipeline.runner import PipelineRunner


def offer_all(given: Iterable[tuple[PipelineRunner, Model]]) -> dict[str, Offer]:
    """Offer models to pipelines, which have them from here on.

    A pipeline that is alone at its source takes its model with its next frame; several take theirs with the next frame that the source hands over.

    Args:
        given: Pipelines, each once, and what each is to work with.

    Returns:
        By pipeline; to be waited for.
    """
    pairs = list(given)
    readers = Counter(runner.handover for runner, _ in pairs)
    boundaries: dict[Handover, Boundary] = {each: Boundary(each) for each, count in readers.items() if count > 1}
    offers = {runner.name: runner.offer(model, boundaries.get(runner.handover)) for runner, model in pairs}
    for boundary in boundaries.values():
        boundary.mark()
    return offers


def settled(offers: Mapping[str, Offer], timeout_s: float) -> tuple[dict[str, Model], list[Offer]]:
    """Wait until pipelines have taken what they were offered, and close what none took.

    Args:
        offers: By pipeline.
        timeout_s: For each.

    Returns:
        What came back, by pipeline, to be closed or kept; and the offers that nobody has answered in time.
    """
    came: dict[str, Model] = {}
    late: list[Offer] = []
    for name, offer in offers.items():
        if not offer.wait(timeout_s):
            late.append(offer)
            continue
        if not offer.taken:
            offer.model.close()
        if offer.former is not None:
            came[name] = offer.former
    return came, late
