"""From all places to one validated configuration, with a finding for everything that is wrong or odd.

Reads files and the environment, never a camera, a model or the network. Called by every command that takes a configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.config import layers as places
from agent.config.layers import Layer
from agent.config.settings import AgentSettings
from agent.core.errors import ConfigInvalid
from agent.core.findings import Finding
from agent.schema import closest, problems
from device_profiles import UnknownProfile, detect, load as load_profile

if TYPE_CHECKING:
    from pathlib import Path

    from device_profiles import Profile


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found.

    Attributes:
        settings: The configuration; None if it cannot be used at all.
        findings: What is wrong or odd, errors first.
        files: The files that were read, in their order.
        profile: The device profile that gave defaults; None if there is none of that name.
    """

    settings: AgentSettings | None
    findings: list[Finding]
    files: list[Path] = field(default_factory=list)
    profile: Profile | None = None

    @property
    def errors(self) -> list[Finding]:
        """The findings that make the configuration unusable."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def usable(self) -> AgentSettings:
        """The settings.

        Raises:
            ConfigInvalid: There are findings of severity `error`; the message lists them.
        """
        if self.settings is None or self.errors:
            listed = "\n".join(f"  {f.message}" + (f"\n    next: {f.hint}" if f.hint else "") for f in self.errors)
            named = f" {self.files[0]}" if self.files else ""
            raise ConfigInvalid(f"the configuration cannot be used\n{listed}", hint=f"lineside check{named}")
        return self.settings


def load(config: Path, *, overrides: dict[str, Any] | None = None) -> Loaded:
    """The configuration of this machine.

    Args:
        config: The main file; `conf.d/*.toml` beside it is read too.
        overrides: What the command line sets, as nested tables.
    """
    found, files, findings = places.file_layers(config)
    environ = places.process_environment()
    environment, odd = places.environment_layer(environ)
    found += [places.credentials_layer(environ), environment, Layer("command line", overrides or {})]
    findings += odd
    profile, complaint = _profile(places.merge(found))
    findings += complaint
    if profile is not None:
        found.insert(0, places.profile_layer(profile, found))
    settings, faults = validated(found)
    findings += faults
    if settings is not None:
        findings += cross_references(settings)
    findings.sort(key=lambda finding: finding.severity != "error")
    return Loaded(settings, findings, files, profile)


def validated(found: list[Layer]) -> tuple[AgentSettings | None, list[Finding]]:
    """The layers as settings, or a finding for each fault that names the file it stands in."""
    try:
        return AgentSettings.model_validate(places.merge(found)), []
    except ValidationError as error:
        findings = []
        for problem in problems(error, AgentSettings):
            origin = places.origin_of(problem.path, found)
            message = f"{origin}: {problem.message}" if origin else problem.message
            findings.append(Finding(problem.code, "error", message, problem.hint))
        return None, findings


def cross_references(settings: AgentSettings) -> list[Finding]:
    """Names that name nothing, and tables that nobody uses. Pure."""
    findings = []
    for name, pipeline in settings.pipelines.items():
        for key, wanted, known in (
            ("source", pipeline.source, list(settings.sources)),
            ("model", pipeline.model, list(settings.models)),
        ):
            if wanted not in known:
                meant = closest(wanted, known)
                hint = f"did you mean {meant}?" if meant else f"add [{key}s.{wanted}]"
                message = f"pipelines.{name}.{key} = {wanted!r} names no table under {key}s"
                findings.append(Finding("unknown-name", "error", message, hint))
    if not settings.pipelines:
        findings.append(Finding("no-pipeline", "error", "there is no pipeline, so nothing would run", "add [pipelines.<name>]"))
    for key, tables in (("source", settings.sources), ("model", settings.models)):
        used = {getattr(pipeline, key) for pipeline in settings.pipelines.values()}
        findings += [
            Finding("unused", "warning", f"{key}s.{name} is used by no pipeline", "remove it, or name it in a pipeline")
            for name in tables
            if name not in used
        ]
    return findings


def _profile(values: dict[str, Any]) -> tuple[Profile | None, list[Finding]]:
    device = values.get("device")
    name = device.get("profile", "auto") if isinstance(device, dict) else "auto"
    if name == "auto" or not isinstance(name, str):
        return detect().profile, []
    try:
        return load_profile(name), []
    except UnknownProfile as error:
        return None, [Finding("unknown-profile", "error", f"device.profile: {error}", f"known: auto, {', '.join(error.known)}")]
