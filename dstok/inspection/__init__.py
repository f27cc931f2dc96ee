"""The parts of a tokenizer, for people who look at them."""
