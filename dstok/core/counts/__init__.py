"""The merge loop of BPE training."""
