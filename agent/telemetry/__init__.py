"""What the agent says about itself: logs, the machine's figures, the state of the clock."""
