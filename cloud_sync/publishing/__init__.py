"""The publisher's side: signs a version with the owner's key and brings it to a registry."""

from cloud_sync.publishing.desk import Desk, HttpDesk
from cloud_sync.publishing.knowledge import Knowledge, folder_of
from cloud_sync.publishing.publisher import ROLE_DAYS, Published, Publisher

__all__ = ["ROLE_DAYS", "Desk", "HttpDesk", "Knowledge", "Published", "Publisher", "folder_of"]
