"""`dstok splitter`: the properties of a pre-tokenizer for every text, and a text that tells two apart.

In: splitters by name, path or pattern. Out: words for people, or a JSON object. The exit code is 1 if `diff` finds two
splitters that cut some text differently. Invariant: the output equals that of the methods of `dstok.Splitter`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from dstok._util.columns import aligned
from dstok.cli.arguments import DIFFERENT, load_splitter
from dstok.cli.output import write_result
from dstok.pretokenizer.splitter import Splitter

PLACES_SHOWN = 4


def run_show(arguments: Namespace) -> None:
    splitter = load_splitter(arguments.splitter, arguments.upstream)
    analysis = splitter.analyze()
    facts: dict[str, Any] = {  # null if there is no limit, or no text that loses any
        "name": splitter.name, "fingerprint": analysis.fingerprint, "unicode_version": splitter.unicode_version,
        "steps": [{"pattern": split.pattern, "behavior": split.behavior, "invert": split.invert}
                  for split in splitter.splits],
        "classes": len(analysis.classes), "way": splitter.strategy(), "loses_text": analysis.loses_text,
        "look_ahead": analysis.look_ahead, "longest_piece": analysis.longest_piece,
        "cut_places": [{"left": place.left.ranges, "right": place.right.ranges} for place in analysis.cut_places],
    }
    rows = [*_rows(splitter, facts)]
    if arguments.text is not None:
        pieces = splitter.pieces(arguments.text)
        facts["pieces"] = [piece._asdict() for piece in pieces]
        for number, piece in enumerate(pieces):
            by = "gap" if piece.step is None else f"step {piece.step}, alternative {piece.alternative}"
            rows.append(("" if number else "pieces", f"{piece.text!r} ({by})"))
    write_result(arguments, facts, aligned(rows))


def _rows(splitter: Splitter, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The same for people; of the places where a text may be cut the first, their sets by first ranges."""
    for key in ("name", "fingerprint", "unicode_version"):
        yield key.replace("_", " "), facts[key] or "none"
    for number, split in enumerate(splitter.splits):
        yield f"step {number}", f"{split.behavior}{', inverted' if split.invert else ''}: {split.pattern}"
    lost, places = facts["loses_text"], splitter.analyze().cut_places
    yield "classes", str(facts["classes"])
    yield "way", facts["way"]
    yield "loses text", "no, whatever the text" if lost is None else f"yes, of {lost!r} for example"
    for key in ("look_ahead", "longest_piece"):
        limit = facts[key]
        words = "no limit" if limit is None else f"{limit} character{'' if limit == 1 else 's'}"
        yield key.replace("_", " "), words
    if not places:
        yield "cut places", "none: no two characters between which every text may be cut"
    for number, place in enumerate(places[:PLACES_SHOWN]):
        yield ("" if number else "cut places"), f"after {place.left}"[:200]
        yield "", f"  before {place.right}"[:200]
    if len(places) > PLACES_SHOWN:
        yield "", f"{len(places) - PLACES_SHOWN} more (--json shows all)"


def run_diff(arguments: Namespace) -> int:
    difference = load_splitter(arguments.one, arguments.upstream).analyze().difference(
        load_splitter(arguments.other, arguments.upstream))
    if difference is None:
        write_result(arguments, {"equal": True}, ["equal: both cut every text into the same pieces"])
        return 0
    alike = difference.pieces == difference.others  # only their places differ
    write_result(arguments, {"equal": False} | vars(difference), aligned([
        ("text", repr(difference.text)),
        ("first", _quoted(difference.pieces, difference.spans if alike else [])),
        ("second", _quoted(difference.others, difference.other_spans if alike else []))]))
    return DIFFERENT


def _quoted(pieces: list[str], spans: list[tuple[int, int]]) -> str:
    places = [f" ({start}:{end})" for start, end in spans] or [""] * len(pieces)
    return " ".join(f"{piece!r}{place}" for piece, place in zip(pieces, places)) or "no pieces"
