"""The calls of a tokenizer: batches, offsets, streams, texts that grow, budgets, decoding, files."""
