"""New versions of models: when to look for them, and how one that has come is judged and taken into work.

What is fetched and trusted is decided in a child process (`cloud_sync.device`), which puts it into the store (`cloud_sync.store`).
"""
