"""How models are executed and tried. Apart from the interpreter, so that configurations can be read without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_MEMORY_BYTES = 2 << 30


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
class Execution:
    """How an interpreter runs.

    Attributes:
        threads: Threads of one invoke.
        delegates: In the order to try; the first that can be had is taken.
    """

    threads: int = 1
    delegates: tuple[Delegate, ...] = (Delegate(),)


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
