"""What Lineside costs over the bare interpreter, measured against bounds and against peers in the same run.

`python -m benchmarks` runs it, `benchmarks/README.md` says how to read it. Nothing here is imported by the agent, and the agent is
measured from outside wherever that is possible.
"""
