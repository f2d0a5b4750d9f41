"""Watches whether a line still looks like what its model was evaluated on."""
