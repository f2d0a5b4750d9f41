"""Values of a pipeline's decision that were changed while it runs, over those that the configuration gives.

Kept in memory and nowhere else: after a restart the configuration holds again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.core.decisions import DecisionRule


class Tuning:
    """Any thread asks `over`, frame by frame; any thread, but one at a time, calls `change`; the pipeline's calls `works_with`; all may read.

    What is changed at once is seen at once by the next frame that is judged: rule and changes are replaced as a whole.
    """

    def __init__(self) -> None:
        self._changes: Mapping[str, float] = {}
        self._configured: DecisionRule | None = None
        self._made: tuple[DecisionRule, Mapping[str, float], DecisionRule] | None = None

    @property
    def configured(self) -> DecisionRule | None:
        """The rule of the model that was last at work, not that of a candidate; None before the first, and for models that only observe."""
        return self._configured

    @property
    def changes(self) -> dict[str, float]:
        """Fields of the rule that are not the configured ones now."""
        return dict(self._changes)

    def change(self, values: Mapping[str, float | None]) -> None:
        """Set fields of the rule, or with None take the configured one again."""
        merged = {**self._changes, **values}
        self._changes = {key: value for key, value in merged.items() if value is not None}

    def works_with(self, configured: DecisionRule | None) -> None:
        """This is the rule of the model at work from now on."""
        self._configured = configured

    def over(self, configured: DecisionRule | None) -> DecisionRule | None:
        """The rule to judge by: a model's configured one with what was changed."""
        changes = self._changes
        if configured is None or not changes:
            return configured
        made = self._made
        if made is None or made[0] is not configured or made[1] is not changes:
            self._made = made = (configured, changes, _with(configured, changes))
        return made[2]


def _with(rule: DecisionRule, changes: Mapping[str, float]) -> DecisionRule:
    fields: dict[str, Any] = dict(changes)
    return replace(rule, **fields)
