"""tuf's errors turned into ours, in this one place."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tuf.api import exceptions

from cloud_sync.errors import MetadataExpired, MetadataInvalid, MetadataMixed, SignatureInvalid, Untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator

# What parsing of hostile bytes may raise beside tuf's own errors; the fuzzing test found none that is not here.
_ODD = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


@contextlib.contextmanager
def refusals(what: str, *, version: type[Untrusted], other: type[Untrusted] = MetadataInvalid) -> Iterator[None]:
    """Around tuf's rules.

    Args:
        what: For messages, such as `timestamp`.
        version: What a wrong version number means here.
        other: What an error without a class of its own in tuf means here.

    Raises:
        Untrusted: Of the class that names the attack.
    """
    try:
        yield
    except exceptions.UnsignedMetadataError as error:
        raise SignatureInvalid(f"{what}: {error}", hint="was a key replaced? is it the right registry?") from error
    except exceptions.ExpiredMetadataError as error:
        raise MetadataExpired(
            f"{what}: {error}", hint="is the registry kept up to date, and the clock right?"
        ) from error
    except exceptions.BadVersionNumberError as error:
        raise version(f"{what}: {error}", hint="does a mirror serve old files?") from error
    except exceptions.LengthOrHashMismatchError as error:
        raise MetadataMixed(f"{what} is not the one that was announced: {error}") from error
    except (exceptions.DownloadError, exceptions.RepositoryError) as error:
        kind = MetadataInvalid if _is_unreadable(error) else other
        raise kind(f"{what}: {error}") from error
    except _ODD as error:
        raise MetadataInvalid(f"{what} cannot be read: {type(error).__name__} {error}"[:500]) from error


def _is_unreadable(error: Exception) -> bool:
    # tuf.api.serialization's errors are of no family that says so.
    return type(error).__name__ in {"DeserializationError", "SerializationError"}
