"""The threads that move frames from sources through models to sinks. Nothing here knows a protocol."""
