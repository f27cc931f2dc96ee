from dstok.core._splitter import Splitter

class Pass(Splitter):
    """What a pass over a text reads: the tables of a splitter."""
