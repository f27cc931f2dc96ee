"""Vocabularies learned from counted pieces; extended, truncated and trimmed ones."""
