"""A text to chunks of pieces: finders, the automaton, the mask kernel, shuffles."""
