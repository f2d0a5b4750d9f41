"""What can go wrong in the store besides the disk."""

from __future__ import annotations

from cloud_sync.errors import Refused


class VersionMissing(Refused):
    """A version is not in the store, so it cannot be wanted or made active."""

    code = "version-missing"


class StoreBusy(Refused):
    """Another process holds the store's lock for longer than any of ours does."""

    code = "store-busy"
    retryable = True
