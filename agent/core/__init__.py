"""Pure rules and types. Imports the standard library and NumPy, touches no file, no socket and no thread of its own."""
