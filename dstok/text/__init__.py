"""What happens to a text before it is split: added tokens are found, and the rest of it is normalized."""
