"""The life of versions on this device: what moves a candidate through its states, watches it, and takes it back."""
