"""The model store: which versions lie on this device, which one of each model is active, and which is to be next (design, section 4.6).

Where the two flows meet. The sync's child process stages; the agent activates and rejects; both may read at any time. Imports nothing that
the agent would not load anyway.
"""

from cloud_sync.store.errors import StoreBusy, VersionMissing
from cloud_sync.store.records import Rejection, Version, of_mate
from cloud_sync.store.store import ModelStore

__all__ = ["ModelStore", "Rejection", "StoreBusy", "Version", "VersionMissing", "of_mate"]
