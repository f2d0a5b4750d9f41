"""How models are executed and tried. Apart from the interpreter, so that configurations can be read without it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_MEMORY_BYTES = 2 << 30
DEFAULT_INVOKE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Delegate:
    """What should execute the operators.

    Attributes:
        kind: `xnnpack`: the built-in CPU kernels. `external`: a library. `none`: reference kernels.
        library: external: path or name of the shared library.
        options: external: options that it understands.
    """

    kind: Literal["xnnpack", "external", "none"] = "xnnpack"
    library: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How messages call it: the library's file name for external ones."""
        return self.library.rsplit("/", 1)[-1] if self.library else self.kind


@dataclass(frozen=True, slots=True)
class Isolation:
    """An interpreter runs in a child process of its own, for good.

    Attributes:
        invoke_timeout_s: A child that has not answered a frame by then is ended.
        start_timeout_s: From its start until the model is loaded and has run once.
    """

    invoke_timeout_s: float = DEFAULT_INVOKE_TIMEOUT_S
    start_timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Execution:
    """How an interpreter runs.

    Attributes:
        threads: Threads of one invoke.
        delegates: In the order to try; the first that can be had is taken.
        isolation: None for an interpreter in this process.
    """

    threads: int = 1
    delegates: tuple[Delegate, ...] = (Delegate(),)
    isolation: Isolation | None = None

    def kernels(self) -> dict[str, Any]:
        """What a child process has to know, as JSON types: all but that it is one."""
        return {"threads": self.threads, "delegates": [asdict(delegate) for delegate in self.delegates]}

    @classmethod
    def of_kernels(cls, data: Mapping[str, Any]) -> Execution:
        """The reverse of `kernels`."""
        return cls(data["threads"], tuple(Delegate(**delegate) for delegate in data["delegates"]))


def threads_of(*, streams: int, cores: int, threads: int, lone_threads: int) -> int:
    """Threads of each interpreter, from what else this device has to do.

    Two interpreters of one thread in two threads do 1.74 to 1.98 times the work of one; one interpreter of two threads does 1.5
    times. So several threads are for a stream that is alone on its machine, and where the device profile says that they pay; one core
    is left for decoding and delivery.

    Args:
        streams: Pipelines of this agent.
        cores: Cores that it may use.
        threads: `runtime.threads`, for streams that share the machine.
        lone_threads: `runtime.lone_threads`, for one that does not.
    """
    return max(threads, min(lone_threads, cores - 1)) if streams == 1 else threads


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What the child may use.

    Attributes:
        timeout_s: From its start until its report.
        memory_bytes: Address space beyond what the runtime itself needs.
    """

    timeout_s: float = DEFAULT_TIMEOUT_S
    memory_bytes: int = DEFAULT_MEMORY_BYTES
