"""The frequency of each piece of a corpus; the merge loop of BPE training."""
