"""Files and standard streams: texts and ids in, texts and ids out, packed or not, a block at a time."""
