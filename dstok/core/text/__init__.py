"""Texts as bytes: UTF-8, hashes, added tokens, normalization, the texts of a batch."""
