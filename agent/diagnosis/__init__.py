"""What `check` and `doctor` look at, one file a subject; each question gives findings and changes nothing."""
