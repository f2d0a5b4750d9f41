"""The publisher's side: signs a version with the owner's key and brings it to a registry."""
