"""What happens to a text before it is split: added tokens are found, the rest is normalized. How tokens are spelled."""
