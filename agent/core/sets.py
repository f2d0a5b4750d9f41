"""Which new versions are one set: they decide about the same parts, so all of them come to work, or none does. Pure.

Several models decide about one part where their pipelines read one source. Models of independent lines are no set: they neither wait for each
other nor fall with each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


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
