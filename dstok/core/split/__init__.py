"""The starts of pieces: the automaton, the mask kernel, windows."""
