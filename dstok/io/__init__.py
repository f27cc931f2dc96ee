"""Files and standard streams: texts and ids in and out, packed or not, a block at a time."""
