"""The device side of a sync: what is wanted, fetched, verified and staged. Runs in a short-lived child process of the agent."""
