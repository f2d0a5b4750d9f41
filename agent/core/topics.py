"""Where each message goes: `{prefix}/v1/{location}/{device}/…` (design, section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device.

    Attributes:
        prefix: First segment or segments, `lineside` unless configured.
        location: `site/area/line…`, any depth, or empty.
        device: The device's id.
    """

    prefix: str
    location: str
    device: str

    @property
    def root(self) -> str:
        """Everything of this device lies under it."""
        return "/".join(part for part in (self.prefix, "v1", self.location, self.device) if part)

    @property
    def status(self) -> str:
        """Birth, will and health of the agent."""
        return f"{self.root}/status"

    @property
    def health(self) -> str:
        """Figures of the agent."""
        return f"{self.root}/health"

    def source_state(self, source: str) -> str:
        """State of one source."""
        return f"{self.root}/source/{source}/state"

    def model_state(self, model: str) -> str:
        """Versions of one model."""
        return f"{self.root}/model/{model}/state"

    def prediction(self, pipeline: str) -> str:
        """The last prediction of a pipeline."""
        return f"{self.root}/pipeline/{pipeline}/prediction"

    def event(self, pipeline: str) -> str:
        """The predictions somebody may act on."""
        return f"{self.root}/pipeline/{pipeline}/event"

    def backlog(self, pipeline: str) -> str:
        """Late predictions that are no events."""
        return f"{self.root}/pipeline/{pipeline}/backlog"

    def drift(self, pipeline: str) -> str:
        """Whether a pipeline still sees what its model was evaluated on."""
        return f"{self.root}/pipeline/{pipeline}/drift"

    @property
    def commands(self) -> str:
        """Filter for requests; answers lie one level deeper, so that none of them is heard as a request."""
        return f"{self.root}/cmd/+"

    def verb(self, topic: str) -> str:
        """What a request on this topic asks for; empty if it is none."""
        root = self.commands.removesuffix("+")
        verb = topic[len(root) :] if topic.startswith(root) else ""
        return "" if "/" in verb else verb

    def ack(self, verb: str) -> str:
        """Answers to the requests of one verb."""
        return f"{self.root}/cmd/{verb}/ack"
