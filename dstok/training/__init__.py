"""Texts and files -> a trained tokenizer: `dstok.train_from_iterator`, `dstok.train`."""
