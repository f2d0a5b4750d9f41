"""The way to a registry's files: over HTTPS, or a folder such as a USB stick. Knows nothing of what the files mean.

Whatever is at the other end is taken to be hostile: every read has a limit in bytes and in time, and nobody is followed elsewhere.
What arrives is judged by whoever asked for it.
"""

from cloud_sync.wire.contract import Wire
from cloud_sync.wire.folder import FolderWire
from cloud_sync.wire.http import Answer, HttpWire

__all__ = ["Answer", "FolderWire", "HttpWire", "Wire"]
