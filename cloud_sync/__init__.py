"""Models on their way to the device: manifests and files that are written whole. Knows nothing of the agent or of frames."""
