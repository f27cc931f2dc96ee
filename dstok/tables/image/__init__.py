"""Images: a tokenizer as one file that is mapped into memory. file.py, parts.py, checks.py: layout, content, proof."""
