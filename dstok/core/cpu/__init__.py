"""The level: the instructions of this processor, and vectors in one text for several levels."""
