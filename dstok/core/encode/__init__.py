"""From a stretch of text to chunks of pieces, and the sinks that take these; the memory of a pass."""
