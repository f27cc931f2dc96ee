"""The pre-tokenizer alone: texts to pieces, for any pattern, without a vocabulary."""
