"""Whom a device believes: the client rules of The Update Framework. The one door to tuf's client.

Rules are tuf's own (`TrustedMetadataSet`, which does no I/O); what is fetched goes through a `Wire`, what is trusted lies in one folder.
"""

from cloud_sync.trust.repository import TrustedRepository, first_root, initial_root
from cloud_sync.trust.targets import ModelDelegation, Target

__all__ = ["ModelDelegation", "Target", "TrustedRepository", "first_root", "initial_root"]
