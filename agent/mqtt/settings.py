"""`[mqtt]` of the configuration, and the address that its `url` stands for. Opens nothing and reads no file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from agent.schema import Strict

Scheme = Literal["mqtt", "mqtts", "ws", "wss"]

DEFAULT_PORTS: dict[Scheme, int] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is.

    Attributes:
        scheme: `mqtt` and `mqtts` are plain TCP and TLS, `ws` and `wss` the same inside a websocket.
        host: Name or address; IPv6 without brackets.
        port: 1..65535.
        path: Path of the websocket, `/mqtt` unless given; empty for `mqtt` and `mqtts`.
    """

    scheme: Scheme
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `scheme://host[:port][/path]`.

        Raises:
            ValueError: It is no such address, or holds a user or password. The text repeats nothing of it, as whatever
                stands there may be a piece of a password.
        """
        if "@" in url:
            raise ValueError("the url must not hold a user or password: set username and password_file")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(
                "the url is no address: write scheme://host or scheme://host:port, port 1 to 65535"
            ) from None
        scheme = next((known for known in DEFAULT_PORTS if known == parts.scheme), None)
        if scheme is None:
            raise ValueError("the url must begin with mqtt://, mqtts://, ws:// or wss://")
        if not parts.hostname:
            raise ValueError(f"the url names no host; write {scheme}://host or {scheme}://host:{DEFAULT_PORTS[scheme]}")
        if port == 0:
            raise ValueError("the url has port 0; it must be 1 to 65535")
        if parts.query or parts.fragment or (parts.path not in ("", "/") and not scheme.startswith("ws")):
            raise ValueError("the url ends behind the port; only ws:// and wss:// have a path")
        path = (parts.path if parts.path != "/" else "") or "/mqtt"
        return cls(scheme, parts.hostname, port or DEFAULT_PORTS[scheme], path if scheme.startswith("ws") else "")

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted and the broker shows a certificate."""
        return self.scheme in ("mqtts", "wss")

    @property
    def is_websocket(self) -> bool:
        """Whether MQTT travels inside a websocket."""
        return self.scheme in ("ws", "wss")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


class MqttSettings(Strict):
    """`[mqtt]`: the broker, and who we are to it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = "mqtt://127.0.0.1:1883"
    """Broker: `mqtt://`, `mqtts://` (TLS), `ws://` or `wss://`, host, and a port unless it is 1883, 8883, 80 or 443. MQTT 5, or
    3.1.1 where the broker does not speak 5. User and password never stand here."""
    prefix: str = "lineside"
    """First segments of every topic."""
    client_id: str | None = Field(default=None, min_length=1, max_length=128)
    """Name of this client at the broker, one per connected client; default `lineside-` and the device's id."""
    username: str | None = Field(default=None, min_length=1)
    """User at the broker; default the systemd credential `mqtt-username`, else none."""
    password_file: Path | None = None
    """File that holds the password and nothing else; default the systemd credential `mqtt-password`, else none. Read at each
    connect."""
    ca_file: Path | None = None
    """mqtts, wss: PEM file of the authorities that may vouch for the broker; default those of the system. Read at each connect."""
    cert_file: Path | None = None
    """mqtts, wss: PEM file of this device's certificate, for brokers that ask for one; needs `key_file`."""
    key_file: Path | None = None
    """mqtts, wss: PEM file of the certificate's private key, without a passphrase."""
    keepalive_s: int = Field(default=20, ge=5, le=3600)
    """A connection that is silent for so many seconds is asked for a sign of life; without one it is given up after as many more."""
    queue_messages: int = Field(default=10_000, ge=1, le=1_000_000)
    """Predictions that wait in memory for a slow broker, and events that wait there while the disk takes none. From so many on, files
    and folders are slowed down."""

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, url: str) -> str:
        Address.parse(url)
        return url

    @field_validator("prefix")
    @classmethod
    def _prefix_is_a_topic(cls, prefix: str) -> str:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("prefix is one or more segments of letters, digits, '.', '_' and '-', joined by '/'")
        return prefix

    @model_validator(mode="after")
    def _certificates_fit(self) -> MqttSettings:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if not self.address.is_tls and (self.ca_file or self.cert_file):
            raise ValueError(
                f"{self.address.scheme}:// is not encrypted, so ca_file and cert_file have no use; write mqtts://"
            )
        return self

    @property
    def address(self) -> Address:
        """What `url` stands for."""
        return Address.parse(self.url)
