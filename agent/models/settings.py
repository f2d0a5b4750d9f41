"""`[models.<name>]` and `[runtime]` of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from agent.models.execution import (
    DEFAULT_INVOKE_TIMEOUT_S,
    DEFAULT_MEMORY_BYTES,
    DEFAULT_TIMEOUT_S,
    Delegate,
    TrialLimits,
)
from agent.models.gate_settings import GateSettings
from agent.models.spec import BudgetSpec, DecisionSpec, GoldenSpec, InputSpec, OutputSpec, Task
from agent.schema import Name, Strict


class DelegateSettings(Strict):
    """What executes the operators; the first in the list that can be had is taken."""

    kind: Literal["xnnpack", "external", "none"] = "xnnpack"
    """`xnnpack`: the built-in CPU kernels. `external`: a delegate library. `none`: reference kernels, to compare with."""
    library: Path | None = None
    """external: path or name of the shared library, such as libedgetpu.so.1."""
    options: dict[str, str | int | float | bool] = Field(default={})
    """external: options that the library understands."""

    @model_validator(mode="after")
    def _external_has_a_library(self) -> DelegateSettings:
        if (self.kind == "external") != (self.library is not None):
            raise ValueError('kind = "external" needs a library, the other kinds take none')
        return self

    def delegate(self) -> Delegate:
        """The same, as the interpreter takes it: options are text there."""
        options = {key: str(value) for key, value in self.options.items()}
        return Delegate(self.kind, str(self.library) if self.library else None, options)


class RuntimeSettings(Strict):
    """`[runtime]`: how interpreters run on this device; the device profile gives the defaults."""

    threads: int = Field(default=1, ge=1, le=64)
    """Threads per interpreter; one is right as soon as several pipelines run."""
    lone_threads: int = Field(default=1, ge=1, le=64)
    """Threads of the interpreter of a pipeline that is the only one; one core is left for decoding. The device profile says whether it
    pays."""
    delegates: list[DelegateSettings] = Field(default=[DelegateSettings()], min_length=1)
    """In the order to try."""
    trial_timeout_s: float = Field(default=DEFAULT_TIMEOUT_S, gt=0, le=600)
    """How long the child process that tries a model file first may take."""
    trial_memory_bytes: int = Field(default=DEFAULT_MEMORY_BYTES, ge=64 << 20)
    """Address space that child may use beyond what the runtime itself needs."""

    def limits(self) -> TrialLimits:
        """What the child process may use."""
        return TrialLimits(self.trial_timeout_s, self.trial_memory_bytes)


class ModelSettings(Strict):
    """`[models.<name>]`: where a model comes from. A bare .tflite is described by the keys of `model.toml`."""

    path: Path | None = None
    """A bundle folder, or a bare .tflite; relative to the configuration file."""
    registry: Name | None = None
    """Name of the model in the registry, in place of `path`."""
    channel: Name = "stable"
    """registry: channel to follow."""
    gates: GateSettings = GateSettings()
    """registry: what a new version must show here before it counts."""
    canary_pipelines: list[Name] | None = Field(default=None, min_length=1)
    """registry: pipelines in which a canary decides, `gates.canary_share` of their frames each; the others go on with the active version alone
    until the new one is active. Default all that have this model."""
    threads: int | None = Field(default=None, ge=1, le=64)
    """Threads of this model's interpreters, in place of `runtime.threads` and `runtime.lone_threads`."""
    delegates: list[DelegateSettings] | None = None
    """Delegates of this model, in place of `runtime.delegates`."""
    isolation: Literal["none", "process"] = "none"
    """`none`: the interpreter runs in the agent's process. `process`: in a child process, for a delegate that may crash or hang; that
    costs one frame and a restart of the child, and no other pipeline."""
    invoke_timeout_s: float = Field(default=DEFAULT_INVOKE_TIMEOUT_S, gt=0, le=600)
    """process: a child that has not answered a frame by then is ended and started anew."""
    name: Name | None = None
    """bare: as in model.toml, default the name of the table."""
    version: Name | None = None
    """bare: as in model.toml, default 0."""
    task: Task | None = None
    """bare: as in model.toml, default what `output.decode` gives."""
    labels: Path | None = None
    """bare: label file, default the one in the file's own metadata."""
    input: InputSpec | None = None
    """bare: as in model.toml, default from the file's own metadata."""
    output: OutputSpec | None = None
    """bare: as in model.toml."""
    decision: DecisionSpec | None = None
    """bare: as in model.toml. For a bundle the decision is the bundle's; a pipeline may set its own."""
    golden: GoldenSpec | None = None
    """bare: as in model.toml."""
    budget: BudgetSpec | None = None
    """bare: as in model.toml."""

    @model_validator(mode="after")
    def _from_one_place(self) -> ModelSettings:
        if (self.path is None) == (self.registry is None):
            raise ValueError("a model has either a path or a registry name")
        return self
