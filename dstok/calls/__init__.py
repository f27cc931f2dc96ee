"""What a call of a tokenizer gives, or works through: offsets, streams, texts that grow, budgets."""
