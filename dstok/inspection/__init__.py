"""What a tokenizer consists of, for who looks at it."""
