"""From all places to one validated configuration, with a finding for everything that is wrong or odd.

Reads files and the environment, never a camera, a model or the network. Called by every command that takes a configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.config import layers as places
from agent.config.layers import Layer
from agent.config.settings import AgentSettings
from agent.core.errors import ConfigInvalid
from agent.core.findings import Finding
from agent.core.redact import without_password
from agent.schema import closest, problems
from device_profiles import UnknownProfile, detect
from device_profiles import load as load_profile

if TYPE_CHECKING:
    from pathlib import Path

    from device_profiles import Profile


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found.

    Attributes:
        config: The main file.
        settings: The configuration; None if it cannot be used at all.
        findings: What is wrong or odd, errors first.
        files: The files that were read, in their order.
        profile: The device profile that gave defaults; None if there is none of that name.
    """

    config: Path
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
            message = f"the configuration {self.config} cannot be used\n{listed}"
            raise ConfigInvalid(message, hint=f"lineside check {self.config}")
        return self.settings


def load(config: Path, *, overrides: dict[str, Any] | None = None) -> Loaded:
    """The configuration of this machine.

    Args:
        config: The main file; `conf.d/*.toml` beside it is read too.
        overrides: What the command line sets, as nested tables.
    """
    found, files, findings = places.file_layers(config)
    environ = places.process_environment()
    unread = bool(findings)
    for layer, odd in (places.credentials_layer(environ), places.environment_layer(environ)):
        found.append(layer)
        findings += odd
    found.append(Layer("command line", overrides or {}))
    profile, complaint = _profile(found)
    findings += complaint
    if profile is not None:
        found.insert(0, places.profile_layer(profile, found))
    settings, faults = validated(found)
    findings += faults
    if settings is not None and not unread:  # what a file would have said that cannot be read, nobody knows
        findings += cross_references(settings, found, str(config))
    findings.sort(key=lambda finding: finding.severity != "error")
    return Loaded(config, settings, findings, files, profile)


def validated(found: list[Layer]) -> tuple[AgentSettings | None, list[Finding]]:
    """The layers as settings, or a finding for each fault that names the file it stands in."""
    try:
        return AgentSettings.model_validate(places.merge(found)), []
    except ValidationError as error:
        return None, [
            _placed(Finding(problem.code, "error", problem.message, problem.hint), problem.path, found)
            for problem in problems(error, AgentSettings)
        ]


def cross_references(settings: AgentSettings, found: list[Layer], main: str) -> list[Finding]:
    """Names that name nothing, and tables that nobody uses. Pure.

    Args:
        settings: The whole configuration.
        found: The layers it was made of, so that each finding names its place.
        main: The place of what stands nowhere.
    """
    findings = []
    for name, pipeline in settings.pipelines.items():
        for key, wanted, known in (
            ("source", pipeline.source, list(settings.sources)),
            ("model", pipeline.model, list(settings.models)),
        ):
            if wanted not in known:
                meant = closest(wanted, known)
                hint = f"did you mean {meant}?" if meant else f"add [{key}s.{wanted}]"
                path = ("pipelines", name, key)
                message = f"{'.'.join(path)} = {wanted!r} names no table under {key}s"
                findings.append(_placed(Finding("unknown-name", "error", message, hint), path, found))
    if not settings.pipelines:
        message, hint = "there is no pipeline, so nothing would run", "add [pipelines.<name>]"
        findings.append(_placed(Finding("no-pipeline", "error", message, hint), ("pipelines",), found, main))
    if "set" in settings.commands.allow and not any(pipeline.bounds for pipeline in settings.pipelines.values()):
        message, hint = "commands.allow has set, and no pipeline has bounds", "add [pipelines.<name>.bounds]"
        findings.append(_placed(Finding("nothing-to-set", "warning", message, hint), ("commands", "allow"), found))
    findings += _sync_findings(settings, found)
    for key, tables in (("sources", settings.sources), ("models", settings.models)):
        used = {getattr(pipeline, key[:-1]) for pipeline in settings.pipelines.values()}
        hint = "remove it, or name it in a pipeline"
        findings += [
            _placed(Finding("unused", "warning", f"{key}.{name} is used by no pipeline", hint), (key, name), found)
            for name in tables
            if name not in used
        ]
    return findings


def _sync_findings(settings: AgentSettings, found: list[Layer]) -> list[Finding]:
    """Models of a registry that no sync can bring, or that would have to follow two channels at once."""
    findings = []
    channels: dict[str, tuple[str, str]] = {}
    for name, model in settings.models.items():
        if model.registry is None:
            continue
        other, channel = channels.setdefault(model.registry, (name, model.channel))
        if channel != model.channel:
            message = f"models.{name} and models.{other} follow two channels of {model.registry}, and a device runs one version of it"
            hint = f'channel = "{channel}" for both, or two names in the registry'
            findings.append(
                _placed(Finding("two-channels", "error", message, hint), ("models", name, "channel"), found)
            )
    findings += _canary_findings(settings, found)
    sync = settings.sync
    if sync.url is not None and sync.root is None and sync.root_sha256 is None:
        message, hint = (
            "sync.url has no root of trust, so nothing from there can be verified",
            "set sync.root or sync.root_sha256",
        )
        findings.append(_placed(Finding("no-root", "error", message, hint), ("sync", "url"), found))
    if "sync" in settings.commands.allow and sync.url is None:
        message, hint = "commands.allow has sync, and there is no sync.url", "set sync.url"
        findings.append(_placed(Finding("nothing-to-sync", "warning", message, hint), ("commands", "allow"), found))
    return findings


def _canary_findings(settings: AgentSettings, found: list[Layer]) -> list[Finding]:
    """Pipelines that a canary should decide in and cannot."""
    findings = []
    for name, model in settings.models.items():
        path = ("models", name, "canary_pipelines")
        theirs = sorted(each for each, pipeline in settings.pipelines.items() if pipeline.model == name)
        for wanted in model.canary_pipelines or ():
            if wanted in theirs:
                continue
            is_there = wanted in settings.pipelines
            why = f"has the model {settings.pipelines[wanted].model}" if is_there else "is no table under pipelines"
            meant = closest(wanted, theirs)
            hint = f"did you mean {meant}?" if meant else f"pipelines with {name}: {', '.join(theirs) or 'none'}"
            message = f"{'.'.join(path)} names {wanted!r}, which {why}"
            findings.append(_placed(Finding("unknown-name", "error", message, hint), path, found))
        if model.canary_pipelines is not None and model.registry is None:
            message, hint = f"{'.'.join(path)} is of no use: models.{name} has a path", "remove it, or name a registry"
            findings.append(_placed(Finding("nothing-to-try", "warning", message, hint), path, found))
    return findings


def _profile(found: list[Layer]) -> tuple[Profile | None, list[Finding]]:
    device = places.merge(found).get("device")
    name = device.get("profile", "auto") if isinstance(device, dict) else "auto"
    if name == "auto" or not isinstance(name, str):
        return detect().profile, []
    try:
        return load_profile(name), []
    except UnknownProfile as error:
        message = f"device.profile = {without_password(repr(name))} is no device profile"
        hint = f"did you mean {error.suggestion}?" if error.suggestion else f"known: auto, {', '.join(error.known)}"
        return None, [_placed(Finding("unknown-profile", "error", message, hint), ("device", "profile"), found)]


def _placed(finding: Finding, path: tuple[str, ...], found: list[Layer], main: str | None = None) -> Finding:
    """The finding, with the place in front that says something at `path`, else `main`."""
    origin = places.origin_of(path, found) or main
    return replace(finding, message=f"{origin}: {finding.message}") if origin else finding
