"""The command line, one file per command. Each file imports what it needs inside its function, so `--help` is instant."""
