r"""SentencePiece's pieces with their scores -> `ModelDescription`: what .model files and GGUF have in common.

In: pieces with scores and types, in the order of ids. Out: the model of characters that merges as SentencePiece does.
Invariant: SentencePiece joins the two neighbours whose joined text is the piece with the best score, the leftmost of
equals. The rules of the description do the same: all ways to cut a piece in two, by score. A file whose equal scores
could make a difference is refused.
Source: SentencePiece 0.2.3 and llama.cpp v0.5.0, run; tests/formats/test_sentencepiece.py.

Two pieces of one score differ from two rules of neighbouring ranks: the leftmost is joined, whichever it is. For runs
of one character, such as 2 to 16 spaces in Llama 2, that is the same if the longer left side comes first: the run that
is growing is the leftmost pair. So only runs may have one score, and only if no other rule takes one before it has
grown.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from dstok.core.merge._pairs import MAX_IDS, MAX_MERGES
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.character_bpe import canonical_steps
from dstok.formats.character_shape import BLANK, CharacterShape, Prefix, byte_spelling, canonical
from dstok.formats.description import ModelDescription
from dstok.formats.json_value import shown
from dstok.formats.tokens import NOT_IN_UTF_8

__all__ = ["BYTE", "CONTROL", "NORMAL", "UNKNOWN", "UNUSED", "USER_DEFINED", "Piece", "describe_pieces"]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # the types in both formats
MAX_PIECE = 256  # characters: all its cuts are looked up
MAX_RUN = 64     # characters of a run with the score of another one


class Piece(NamedTuple):
    """A piece as files spell it, with U+2581 for a space; its score and type."""

    text: str
    score: float
    kind: int


def describe_pieces(
    pieces: Sequence[Piece], prefix: Prefix, strip: int, where: str, *, raw: bool = False,
) -> ModelDescription:
    r"""The model of pieces. `where` is the place of the list of pieces, for errors.

    prefix, strip: as in `CharacterShape`. Control tokens and the unknown token are special; user-defined ones are
    added tokens, too. raw: added tokens are found in the raw text. So merging can make those with U+2581, of spaces;
    the others are taken out before. A piece with a literal space that is looked for after spaces became U+2581 stands
    in no text: its id is a raw one. Raises `UnsupportedError` and `TokenizerFileError`.

    >>> texts = "<unk>", *map(byte_spelling, range(256)), "▁", "a", "▁a"
    >>> kinds = UNKNOWN, *[BYTE] * 256, *[NORMAL] * 3
    >>> model = describe_pieces([Piece(t, -i, k) for i, (t, k) in enumerate(zip(texts, kinds))], "none", 0, "pieces")
    >>> model.merge_rules(), model.tokens[11], model.tokens[259]
    ([(257, 258, 259)], b'\n', b' a')
    """
    if len(pieces) > MAX_IDS:
        raise UnsupportedError(f"more than {MAX_IDS} pieces", where)
    lost = {i for i, piece in enumerate(pieces)
            if " " in piece.text and (piece.kind == NORMAL or (piece.kind == USER_DEFINED and not raw))}
    ids = _ids(pieces, lost, where)
    byte_ids = _byte_ids(pieces, ids, where)
    merged = {i for i, piece in enumerate(pieces) if (piece.kind == NORMAL and i not in lost)
              or (raw and piece.kind in (UNKNOWN, CONTROL, USER_DEFINED) and BLANK in piece.text)}
    merges = _rules(pieces, merged, where)
    _check_scores(pieces, merges, merged, where)
    apart = {UNUSED} if raw else {UNUSED, CONTROL, UNKNOWN}  # no characters become one of these
    tokens = [None if piece.kind in apart else canonical(piece.text).encode() for piece in pieces]
    for byte, token_id in enumerate(byte_ids):
        if token_id >= 0:
            tokens[token_id] = bytes([byte])
    shape = CharacterShape(prefix, False, strip, byte_ids)
    added = tuple(AddedToken(i, piece.text, special=piece.kind != USER_DEFINED) for i, piece in enumerate(pieces)
                  if piece.kind in (UNKNOWN, CONTROL, USER_DEFINED) and i not in lost)
    places = {f"added_tokens[{number}]": f"{where}[{token.id}]" for number, token in enumerate(added)}
    return ModelDescription((), tuple(tokens), frozenset(lost), merges, added, False,
                            normalizer=canonical_steps(shape, where), characters=shape,
                            places={"vocab": where, "merges": where, **places})


def _ids(pieces: Sequence[Piece], lost: set[int], where: str) -> dict[str, int]:
    """The ids by text, with U+2581 for spaces but in `lost` pieces. No two pieces have one."""
    ids: dict[str, int] = {}
    for i, piece in enumerate(pieces):
        if not piece.text:
            raise TokenizerFileError("expected a piece, found an empty one", f"{where}[{i}]")
        owner = ids.setdefault(piece.text if i in lost else piece.text.replace(" ", BLANK), i)
        if owner != i:
            raise TokenizerFileError(f"expected a piece of its own, found {shown(piece.text)} of id {owner} again",
                                     f"{where}[{i}]")
        if i in lost and BLANK in piece.text:
            raise UnsupportedError(f"the piece {shown(piece.text)} with a space and U+2581", f"{where}[{i}]")
        if piece.score != piece.score:
            raise TokenizerFileError("expected a score, found NaN", f"{where}[{i}]")
    return ids


def _byte_ids(pieces: Sequence[Piece], ids: dict[str, int], where: str) -> tuple[int, ...]:
    """The id of each byte's piece, or -1. A byte that characters need has one."""
    found = [ids.get(byte_spelling(byte), -1) for byte in range(256)]
    found = [i if i >= 0 and pieces[i].kind == BYTE else -1 for i in found]
    for byte, token_id in enumerate(found):
        owner = ids.get(BLANK if byte == ord(" ") else chr(byte)) if byte < 0x80 else None
        alone = owner is not None and pieces[owner].kind in (NORMAL, USER_DEFINED)
        if not alone and byte not in NOT_IN_UTF_8 and (token_id < 0 or byte == ord(" ")):
            missing = BLANK if byte == ord(" ") else byte_spelling(byte)
            raise UnsupportedError(f"a vocabulary without the piece {missing!r}, which characters need", where)
    if len([piece for piece in pieces if piece.kind == BYTE]) > sum(i >= 0 for i in found):
        number = next(i for i, piece in enumerate(pieces) if piece.kind == BYTE and i not in found)
        raise TokenizerFileError(f"expected the spelling of a byte, found {shown(pieces[number].text)}",
                                 f"{where}[{number}]")
    return tuple(found)


def _rules(pieces: Sequence[Piece], merged: set[int], where: str) -> array[int]:
    """The rules (left, right, joined), flat, the best first; `merged` are the pieces that merging takes and makes."""
    ids = {pieces[i].text: i for i in merged}
    for i in merged:
        if len(pieces[i].text) > MAX_PIECE:
            raise UnsupportedError(f"the piece {shown(pieces[i].text)} of more than {MAX_PIECE} characters",
                                   f"{where}[{i}]")
    alone = {piece.text for piece in pieces if piece.kind in (NORMAL, USER_DEFINED)}
    made = [i for i, piece in enumerate(pieces)
            if 1 < len(piece.text) <= 2 * MAX_PIECE and (i in merged or piece.kind in (UNUSED, BYTE))]
    rules = array("I")
    for _, equal in groupby(sorted(made, key=lambda i: -pieces[i].score), key=lambda i: pieces[i].score):
        cuts = [cut for i in equal for cut in _cuts(i, pieces[i].text, ids)]
        rules.extend(number for *_, left, right, i in sorted(cuts) for number in (left, right, i))
        if len(rules) > 3 * MAX_MERGES:
            raise UnsupportedError(f"more than {MAX_MERGES} merges", where)
    for i in sorted(set(rules[2::3]) - merged):
        raise UnsupportedError(f"the piece {shown(pieces[i].text)} of no text, which merging could make",
                               f"{where}[{i}]")
    for i in made:
        text = pieces[i].text
        if not alone.issuperset(text) and _joins_any(text, ids):
            char = next(char for char in text if char not in alone)
            raise UnsupportedError(f"the piece {shown(text)} with {char!r}, which is no piece", f"{where}[{i}]")
    return rules


def _cuts(i: int, text: str, ids: dict[str, int]) -> Iterator[tuple[int, ...]]:
    """All cuts of a piece in two, in an order: the longer left side first, then the longer right side."""
    for at in range(1, len(text)):
        left, right = ids.get(text[:at]), ids.get(text[at:])
        if left is not None and right is not None:
            yield -at, at - len(text), left, right, i


def _joins_any(text: str, ids: dict[str, int]) -> bool:
    """Is the text two parts that can stand side by side: pieces, or single characters, pieces or not?"""
    return any((at == 1 or text[:at] in ids) and (at == len(text) - 1 or text[at:] in ids)
               for at in range(1, len(text)))


# Equal scores


def _check_scores(pieces: Sequence[Piece], merges: array[int], merged: set[int], where: str) -> None:
    """Raises `UnsupportedError` if the leftmost of two pieces with one score is not always the one with more rank."""
    joined = set(merges[2::3])
    times = Counter(pieces[made].score for made in joined)
    tied = {made for made in joined if times[pieces[made].score] > 1}
    if not tied:
        return
    alike = _runs_that_grow_alike([pieces[i] for i in merged])
    for made in tied:
        if pieces[made].text[0] not in alike or not _is_run(pieces[made].text):
            raise UnsupportedError(f"the piece {shown(pieces[made].text)}, with a score that another one has, too",
                                   f"{where}[{made}]")
    for left, right, made in zip(merges[::3], merges[1::3], merges[2::3]):
        text = pieces[made].text
        for side in {left, right} & tied:
            if pieces[made].score >= pieces[side].score and not _is_run(text):
                raise UnsupportedError(f"the piece {shown(text)}, which takes {shown(pieces[side].text)} before that "
                                       "has grown", f"{where}[{made}]")


def _is_run(text: str) -> bool:
    """Is the text one character, again and again?"""
    return text == text[0] * len(text)


def _runs_that_grow_alike(pieces: Sequence[Piece]) -> frozenset[str]:
    """The characters whose runs have one score, and for which the leftmost pair is always the one with more rank."""
    lengths: dict[str, set[int]] = {}
    scores: dict[str, set[float]] = {}
    for piece in pieces:
        if len(piece.text) > 1 and _is_run(piece.text):
            lengths.setdefault(piece.text[0], set()).add(len(piece.text))
            scores.setdefault(piece.text[0], set()).add(piece.score)
    return frozenset(char for char, found in lengths.items()
                     if len(scores[char]) == 1 and max(found) <= MAX_RUN and _grow_alike(found))


def _grow_alike(lengths: set[int]) -> bool:
    """Is the leftmost pair in each run of a character the one with the longest left side? `lengths`: of the pieces.

    The longest piece is made first, with nothing but single characters after it, and is no left side. So what follows
    it is a run of its own, and twice its length shows all that can happen.

    >>> _grow_alike({2, 3, 4}), _grow_alike({2, 3, 4, 6}), _grow_alike({2, 5, 7})
    (True, True, False)
    """
    longest = max(lengths)
    for count in range(2, 2 * longest + 1):
        run = [1] * count
        while pairs := [(-one, -next, at) for at, (one, next) in enumerate(pairwise(run)) if one + next in lengths]:
            if min(pairs) != min(pairs, key=itemgetter(2)):
                return False
            at = min(pairs)[2]
            run[at : at + 2] = [run[at] + run[at + 1]]
            if at == 0 and run[0] == longest and max(run[1:], default=1) > 1:
                return False
        if count >= longest and run[0] != longest:
            return False
    return True
