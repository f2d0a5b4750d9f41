"""Who we are to the broker and whom we believe: user, password and certificates, read anew at each connect.

So that a rotated file works without a restart. Nothing read here is ever part of a message, a log line or an error.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.mqtt.link import LinkFault

if TYPE_CHECKING:
    from pathlib import Path

    from agent.mqtt.settings import MqttSettings


@dataclass(frozen=True, slots=True)
class Login:
    """User and password, each None where there is none."""

    username: str | None
    password: str | None = field(repr=False)


def login(settings: MqttSettings) -> Login:
    """The user that the settings name, and the password that their file holds.

    Raises:
        LinkFault: `refused`: a file cannot be read, or there is a password for nobody.
    """
    password = _text(settings.password_file) if settings.password_file else None
    if password is not None and not settings.username:
        raise LinkFault("refused", "there is an MQTT password but no username", hint="set mqtt.username")
    return Login(settings.username, password)


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """TLS 1.2 or later, the broker's certificate and host name checked; there is no way to switch that off.

    Raises:
        LinkFault: `refused`: a file is missing, unreadable, or holds no certificate or key.
    """
    for path in (settings.ca_file, settings.cert_file, settings.key_file):
        if path is not None:
            _text(path)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise LinkFault(
            "refused",
            f"{settings.ca_file} holds no certificate: {error.reason or error}",
            hint="ca_file is a PEM file of authorities",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None and settings.key_file is not None:
        try:
            # Without a password of its own, OpenSSL would ask for one on the terminal and wait for ever.
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
        except ssl.SSLError as error:
            raise LinkFault(
                "refused",
                f"{settings.cert_file} and {settings.key_file} are no certificate and its key: {error.reason or error}",
                hint="both are PEM files, the key without a passphrase",
            ) from error
    return context


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        raise LinkFault("refused", f"{path} does not exist", hint="check the paths under [mqtt]") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        hint = "the agent's user must be able to read it"
        raise LinkFault("refused", f"{path} cannot be read: {why}", hint=hint) from None
