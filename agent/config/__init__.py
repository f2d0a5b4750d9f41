"""The configuration: what may stand in it, where it comes from and in which order, and what is wrong with it."""
