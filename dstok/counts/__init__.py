"""Pieces counted in bounded memory, and counts files: what a vocabulary is trained from."""
