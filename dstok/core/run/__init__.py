"""Whole texts, for Python: passes, the encoder, batches, ids as arrays, decoding."""
