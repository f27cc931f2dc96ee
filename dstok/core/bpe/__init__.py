"""From the bytes of pieces to ids: the pair table and its loops, the piece table."""
