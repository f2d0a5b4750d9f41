"""What can go wrong on the device itself."""

from __future__ import annotations

from cloud_sync.errors import Refused


class DiskFailed(Refused):
    """The disk of this device is full, read-only or broken."""

    code = "disk-failed"
    retryable = True


class OrderInvalid(Refused):
    """The agent and its sync do not understand each other."""

    code = "order-invalid"
