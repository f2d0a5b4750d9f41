"""Which new versions are one set: they decide about the same parts, so all of them come to work, or none does. Pure.

Several models decide about one part where their pipelines read one source. Models of independent lines are no set: they neither wait for each
other nor fall with each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_GOLDEN = (5**0.5 - 1) / 2


def is_of_share(index: int, share: float) -> bool:
    """Whether a frame is one of those that a canary decides: of one source the same frames in every pipeline, a smaller share within a larger one.

    Multiples of the golden ratio, modulo 1, are spread evenly over 0..1, also those of every second or tenth number (Weyl, Math. Ann. 77, 1916):
    a pipeline that sees only some of the frames has its share of these.

    Args:
        index: Of the frame in its source.
        share: 0..1.
    """
    return index * _GOLDEN % 1.0 < share


def sets_of(sources: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """The set of each model, itself included.

    Two models are linked by a source that both read, and what is linked to one of them is linked to the other. A model that stays as it is links
    nobody: no part is decided by two new versions because of it.

    Args:
        sources: Of each model with a version on its way, the sources that its pipelines read; none where no pipeline has it.
    """
    sets: list[tuple[set[str], set[str]]] = []
    for name, read in sources.items():
        linked = [each for each in sets if not each[1].isdisjoint(read)]
        apart = [each for each in sets if each[1].isdisjoint(read)]
        names = {name}.union(*(names for names, _ in linked))
        sets = [*apart, (names, set(read).union(*(of for _, of in linked)))]
    return {name: frozenset(names) for names, _ in sets for name in names}
