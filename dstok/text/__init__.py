"""Before a text is split: added tokens are found, the rest is normalized. Also the spelling of tokens."""
