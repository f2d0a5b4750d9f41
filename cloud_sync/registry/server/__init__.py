"""The registry over HTTP: plain files, and an API for those who change it."""

from cloud_sync.registry.server.app import make_app
from cloud_sync.registry.server.limits import Limits, Rate

__all__ = ["Limits", "Rate", "make_app"]
