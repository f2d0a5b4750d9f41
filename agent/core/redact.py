"""Addresses as they may be shown: without the password. Whoever puts an address into a log or a message calls this."""

from __future__ import annotations

import re

HIDDEN = "***"
_USERINFO = re.compile(r"^([^:/?#]*://[^:@]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"\b(pass\w*|pwd|secret|token|api_?key|auth)=[^&;/#\s]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """The address with each password replaced by `***`; anything that is no URL stays as it is.

    Everything between the first `:` after the scheme and the last `@` is hidden, so that a password with a raw `/` or `@`,
    which no parser would find again, does not show either. So are parameters such as `password=` and `token=`, which
    cameras take in the path or the query.
    """
    return _PARAMETER.sub(rf"\1={HIDDEN}", _USERINFO.sub(rf"\1:{HIDDEN}@", url))


def has_password(url: str) -> bool:
    """Whether `without_password` would hide a part of the address."""
    return without_password(url) != url
