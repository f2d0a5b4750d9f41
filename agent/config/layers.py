"""Where configuration comes from: each place gives one layer, a plain nested dictionary, and later layers win.

defaults, device profile, file, `conf.d/*.toml`, systemd credentials, environment, command line (design, section 4.2).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.config.settings import ENV_PREFIX, AgentSettings
from agent.core.findings import Finding
from agent.schema import closest
from agent.sources.camera.address import file_path, kind_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]  # not installed where 3.11 checks for 3.10

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from device_profiles import Profile

_NOT_CONFIGURATION = (f"{ENV_PREFIX}TEST_", f"{ENV_PREFIX}REGISTRY")
"""The second is for the commands `lineside registry …`: which one, and its token."""
_CREDENTIALS = {
    "mqtt-password": "password_file",
    "mqtt-ca": "ca_file",
    "mqtt-cert": "cert_file",
    "mqtt-key": "key_file",
}
"""Name of a systemd credential (`LoadCredential=mqtt-password:…`) to the key of `[mqtt]` that takes its path."""
_USERNAME_CREDENTIAL = "mqtt-username"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says.

    Attributes:
        origin: How a finding names the place: a file's path, `environment`, `systemd credentials`, `command line`.
        values: Nested tables.
    """

    origin: str
    values: dict[str, Any]


def file_layers(config: Path) -> tuple[list[Layer], list[Path], list[Finding]]:
    """The configuration file and `conf.d/*.toml` beside it, in the order of their names.

    Relative paths are made absolute: they are relative to the file that they stand in.

    Returns:
        The layers, the files that were read, and a finding for each file that could not be.
    """
    outcomes = [_read(path) for path in (config, *sorted((config.parent / "conf.d").glob("*.toml")))]
    layers = [outcome for outcome in outcomes if isinstance(outcome, Layer)]
    findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
    return layers, [Path(layer.origin) for layer in layers], findings


def _read(path: Path) -> Layer | Finding:
    try:
        return Layer(str(path), absolute(tomllib.loads(path.read_text(encoding="utf-8-sig")), path.resolve().parent))
    except FileNotFoundError:
        return Finding("no-file", "error", f"{path} is not there", f"lineside init --output {path} writes one")
    except OSError as error:
        return Finding("unreadable", "error", f"{path} cannot be read: {error.strerror}", "is it yours? ls -l")
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        return Finding("no-toml", "error", f"{path} is no TOML: {error}", "mend the line that is named")
    except RecursionError:
        return Finding("no-toml", "error", f"{path} is nested too deeply", "no setting lies so deep")


def credentials_layer(environ: Mapping[str, str]) -> tuple[Layer, list[Finding]]:
    """What systemd handed to this service (systemd.exec, "Credentials"): paths of secrets, and the user's name."""
    origin = "systemd credentials"
    if "CREDENTIALS_DIRECTORY" not in environ:
        return Layer(origin, {}), []
    folder, findings = Path(environ["CREDENTIALS_DIRECTORY"]), []
    mqtt = {key: str(folder / name) for name, key in _CREDENTIALS.items() if (folder / name).is_file()}
    if (username := folder / _USERNAME_CREDENTIAL).is_file():
        try:
            mqtt["username"] = username.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            message = f"{origin}: {username} cannot be read as text"
            findings.append(Finding("unreadable", "error", message, "write the user's name into it and nothing else"))
    return Layer(origin, {"mqtt": mqtt} if mqtt else {}), findings


def environment_layer(environ: Mapping[str, str]) -> tuple[Layer, list[Finding]]:
    """`LINESIDE_MQTT__URL=…` and its like; tables and lists are JSON. A variable that names no table is a finding."""
    values: dict[str, Any] = {}
    findings = []
    tables = list(AgentSettings.model_fields)
    for variable in sorted(environ):
        if not variable.startswith(ENV_PREFIX) or variable.startswith(_NOT_CONFIGURATION):
            continue
        table = variable.removeprefix(ENV_PREFIX).split("__")[0].lower()
        if table not in tables:
            meant = closest(table, tables)
            hint = (
                f"did you mean {ENV_PREFIX}{meant.upper()}__…?" if meant else f"{ENV_PREFIX}<TABLE>__<KEY>=… sets a key"
            )
            findings.append(
                Finding("unknown-variable", "warning", f"{variable} in the environment is no setting", hint)
            )
            continue
        from agent.config.environment import tables_of  # noqa: PLC0415 - most devices set no variable

        try:
            values = _over(values, tables_of(variable, environ[variable]))
        except ValueError:
            message = f"environment: {variable} is a table or a list, and its value is no JSON"
            findings.append(Finding("invalid-value", "error", message, f"mend it, or unset {variable}"))
    return Layer("environment", values), findings


def profile_layer(profile: Profile, layers: Iterable[Layer]) -> Layer:
    """What the device profile recommends: the runtime, and hints for cameras that are devices of this machine."""
    values = profile.settings()
    hints = profile.camera.model_dump(include={"width", "height", "fps", "fourcc"})
    merged = merge(layers)
    sources = merged.get("sources", {})
    for name, source in sources.items() if isinstance(sources, dict) else ():
        if (
            isinstance(source, dict)
            and source.get("type") == "camera"
            and kind_of(str(source.get("url", ""))) == "device"
        ):
            values.setdefault("sources", {})[name] = dict(hints)
    return Layer(f"device profile {profile.name}", values)


def merge(layers: Iterable[Layer]) -> dict[str, Any]:
    """All layers in one; later ones win key by key, lists are replaced as a whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _over(merged, layer.values)
    return merged


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _over(out[key], value) if both else value
    return out


def origin_of(path: tuple[str, ...], layers: list[Layer]) -> str | None:
    """The last place that says something at `path`, or at the table around it."""
    for depth in range(len(path), 0, -1):
        for layer in reversed(layers):
            if _has(layer.values, path[:depth]):
                return layer.origin
    return None


def _has(values: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if isinstance(values, list) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        elif isinstance(values, dict) and part in values:
            values = values[part]
        else:
            return False
    return True


def absolute(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """The same tables with every relative path made absolute against `base`."""

    def fixed(path: tuple[str, ...], value: Any, table: dict[str, Any]) -> Any:
        if isinstance(value, dict):
            return {key: fixed((*path, key), inner, value) for key, inner in value.items()}
        if isinstance(value, list):
            return [fixed(path, inner, table) for inner in value]
        if isinstance(value, str) and value and _is_path(path, value, table):
            # pathlib's expanduser raises where there is no such user
            return os.path.normpath(base / os.path.expanduser(file_path(value)))  # noqa: PTH111
        return value

    return {key: fixed((key,), value, values) for key, value in values.items()}


def _is_path(path: tuple[str, ...], value: str, table: dict[str, Any]) -> bool:
    """Whether the value at this place names a file or folder of this machine."""
    match path:
        case ("device", "state_dir") | ("models", _, "path" | "labels") | ("sync", "root"):
            return True
        case ("runtime", "delegates", "library") | ("models", _, "delegates", "library"):
            return "/" in value  # else it is a name that the loader of shared libraries looks up
        case ("mqtt", key):
            return key.endswith("_file")
        case ("sources", _, "url"):
            return table.get("type") == "images" or kind_of(value) == "file"
        case _:
            return False


def process_environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ
