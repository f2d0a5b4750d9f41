"""What `lineside bench` measures on this machine, and what it advises."""
