"""What the fault tests and the soak share: a line with an agent behind a recording proxy, faults, and the judgement of what was seen."""
