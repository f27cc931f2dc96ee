"""UTF-8 for the other extension modules; nothing of it is visible from Python."""
