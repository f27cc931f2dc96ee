"""Whole texts to ids: sinks, the pool of runs, passes, the encoder, batches; ids to bytes."""
