"""Sources: one folder per kind, and the runner that opens, watches and restarts them."""
