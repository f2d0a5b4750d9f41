"""What can be asked of a registry, a class for each subject. `cloud_sync.registry.registry` puts them together; nobody else makes one."""
