"""What a profile says: the schema of the files in `data/`, and the rule that every value says where it comes from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CpuFlag = Literal["neon", "asimd", "asimddp", "i8mm", "sse4_1", "avx2", "avx512f", "avx512_vnni", "avx_vnni"]
"""Flags that decide which kernels XNNPACK takes, as Linux spells them in `/proc/cpuinfo`."""

Source = Annotated[str, Field(pattern=r"^(specification|measurement|estimate): \S")]
"""Where a value comes from: a text that begins with one of these three words."""

_BEFORE_IT_THROTTLES_C = 2.0
"""The agent's own measures begin so much below the temperature from which the chip slows everything down."""
_SECTIONS = ("match", "runtime", "camera", "limits")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DmiPattern(_Table):
    """A maker and a product as DMI names them; shell patterns, upper and lower case alike."""

    vendor: str
    """Pattern for `sys_vendor`."""
    product: str = "*"
    """Pattern for `product_name`."""


class Match(_Table):
    """Which machines a profile fits. Without `compatible` and `dmi` it is generic: the answer where no other fits."""

    bits: Literal[32, 64]
    """Word size of the Python that runs, which decides the wheels that there are; the kernel may have another."""
    machines: tuple[str, ...] = ()
    """Machine names as uname(2) gives them; empty: any."""
    compatible: tuple[str, ...] = ()
    """Shell patterns for one of the device tree's `compatible` strings."""
    dmi: tuple[DmiPattern, ...] = ()
    """DMI patterns, one of which fits."""
    cpu_flags: tuple[CpuFlag, ...] = ()
    """Flags that every core must have."""

    @property
    def is_generic(self) -> bool:
        """Whether the profile names no device."""
        return not self.compatible and not self.dmi


class Delegate(_Table):
    """What executes the operators, with the keys of `[[runtime.delegates]]` in the configuration."""

    kind: Literal["xnnpack", "external", "none"]
    """`xnnpack`: the built-in CPU kernels. `external`: a delegate library. `none`: reference kernels."""
    library: str | None = None
    """external: path or name of the shared library."""
    options: dict[str, str | int | float | bool] = Field(default={})
    """external: options that the library understands."""

    @model_validator(mode="after")
    def _external_has_a_library(self) -> Delegate:
        if (self.kind == "external") != (self.library is not None):
            raise ValueError('kind = "external" needs a library, the other kinds take none')
        return self


class Runtime(_Table):
    """How interpreters run on this kind of device."""

    package: Literal["litert", "tflite-runtime"]
    """The interpreter's distribution; what is installed decides, this says what to install."""
    threads: int = Field(ge=1, le=64)
    """Threads per interpreter, where several streams share the machine."""
    lone_threads: int = Field(default=1, ge=1, le=64)
    """Threads of the interpreter of a stream that has the machine to itself."""
    delegates: tuple[Delegate, ...] = Field(min_length=1)
    """In the order to try."""


class Camera(_Table):
    """What to ask of a camera on this kind of device; hints for a first configuration."""

    url: str
    """Where the first camera usually is, as `url` of a source."""
    width: int = Field(ge=16, le=16384)
    """Pixels."""
    height: int = Field(ge=16, le=16384)
    """Pixels."""
    fps: int = Field(ge=1, le=1000)
    """Frames per second."""
    fourcc: str = Field(pattern=r"^[A-Z0-9]{4}$")
    """Pixel format on the wire, as V4L2 names it."""
    note: str = ""
    """What a person should know before buying or plugging in a camera."""


class Limits(_Table):
    """What this kind of device carries."""

    streams: int = Field(ge=1, le=64)
    """Streams of 30 frames per second to expect, with a model of MobileNet's size on each."""
    memory_bytes: int = Field(ge=64 << 20)
    """Memory to set aside for the agent with that many streams."""
    throttle_c: float | None = Field(default=None, gt=0, lt=150)
    """Temperature of the chip from which it slows down, in °C; None where it differs from machine to machine. The configuration's
    `limits.max_temperature_c` lies 2 °C below it by default."""


class Profile(_Table):
    """One kind of device. Immutable; made by `load()`."""

    name: str
    """Name of the file without `.toml`, and the value of `device.profile` in the configuration."""
    title: str
    description: str
    match: Match
    runtime: Runtime
    camera: Camera
    limits: Limits
    sources: dict[Literal["match", "runtime", "camera", "limits"], dict[str, Source]]
    """For each value of each section: where it comes from."""

    @model_validator(mode="after")
    def _every_value_has_a_source(self) -> Profile:
        stated = {f"{section}.{key}" for section in _SECTIONS for key in getattr(self, section).model_fields_set}
        sourced = {f"{section}.{key}" for section, keys in self.sources.items() for key in keys}
        if missing := sorted(stated - sourced):
            raise ValueError(f"neither source nor estimate under [sources] for {', '.join(missing)}")
        if idle := sorted(sourced - stated):
            raise ValueError(f"[sources] speaks of {', '.join(idle)}, which the profile does not set")
        return self

    @property
    def estimates(self) -> tuple[str, ...]:
        """The values that nobody has specified or measured for this device, such as `runtime.threads`."""
        return tuple(
            f"{section}.{key}"
            for section, keys in self.sources.items()
            for key, source in keys.items()
            if source.startswith("estimate:")
        )

    def settings(self) -> dict[str, Any]:
        """Defaults for the configuration: nested, plain, and new at each call; keys as in `[runtime]` and `[limits]`."""
        delegates = [delegate.model_dump(exclude_unset=True) for delegate in self.runtime.delegates]
        runtime = {
            "threads": self.runtime.threads,
            "lone_threads": self.runtime.lone_threads,
            "delegates": delegates,
        }
        throttle_c = self.limits.throttle_c
        limits = {} if throttle_c is None else {"max_temperature_c": throttle_c - _BEFORE_IT_THROTTLES_C}
        return {"runtime": runtime, "limits": limits}
