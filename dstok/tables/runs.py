r"""The characters whose runs merging takes apart as a search for the longest tokens does.

In: the tokens of a model of characters, its joined pairs, its merge loops. Out: for each such character the ids of its
tokens of one, two and more characters.
Invariant: merging gives a run of the character, wherever it stands, the longest token as often as it fits, and then the
token of the rest. So added tokens with these texts need no search: Gemma has those of 1 to 31 newlines.

The proof. No merge joins the character with another one, so a run is merged as a text of its own. Let n be the longest
token's length. The runs of up to 2n characters are merged here. So merging keeps two of the longest tokens apart, and
the longest one and each rest. Then it keeps them apart in longer runs, too: core/merge/_bpe.pyx has the proof.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from dstok.core.merge._bpe import BPE

__all__ = ["greedy_runs"]

LONGEST = 256


def greedy_runs(pairs: array[int], tokens: Sequence[bytes | None], bpe: BPE) -> dict[str, list[int]]:
    """The ids by character; `pairs` are those of `joined_characters` (core/merge/_pieces.pyx). ASCII but the space."""
    sides = [(pair >> 32, pair & 0xFFFFFFFF) for pair in pairs]
    alone = {left for left, right in sides if left == right < 128} - {ord(" ")}
    alone -= {code for left, right in sides if left != right for code in (left, right)}
    found = {}
    for char in map(chr, sorted(alone)):
        ids = _ids_by_length(char.encode(), tokens, bpe)
        if ids:
            found[char] = ids
    return found


def _ids_by_length(char: bytes, tokens: Sequence[bytes | None], bpe: BPE) -> list[int]:
    """The ids of the runs of a character that are tokens; none if merging takes a run apart in another way.

    None either if a token is longer than `LONGEST`: a file must not make this take long.
    """
    longest = max(len(token) for token in tokens if token and token == char * len(token))
    if longest > LONGEST:
        return []
    ids = [bpe.merge(char * length)[0] for length in range(1, longest + 1)]
    for length in range(1, 2 * longest + 1):
        whole, rest = divmod(length, longest)
        if bpe.merge(char * length) != [ids[-1]] * whole + ([ids[rest - 1]] if rest else []):
            return []
    return ids
