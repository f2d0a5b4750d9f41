"""The registry over HTTP: plain files, and an API for those who change it."""
