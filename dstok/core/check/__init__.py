"""Proofs about tables, before the other floors read these: images, and the rules of the mask kernel."""
