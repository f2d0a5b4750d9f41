"""Models: bundles, the one door to the interpreter, pixels in, results out, and the child process that tries a file first."""
