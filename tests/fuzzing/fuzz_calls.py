"""Every way in, held against one call of the reference.

In: a `Subject`, a tokenizer at a level of it, a text. Out: (what, found, expected), one after the other.
A text that is cut in two is cut at every character if it is short, else at the edges of blocks and portions, at what
is not ASCII beside ASCII, and anywhere: streams and growing texts hand over where their parts end.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fuzz_subjects import Subject

import dstok
from dstok.methods.budget import start_before

SHORT = 90  # characters of a text that is cut everywhere
PLACES, PLACES_OF_LONG = 12, 3  # of a longer one, of a very long one
Outcome = tuple[str, Any, Any]


@dataclass(frozen=True)
class How:
    """Whether upstream judges; all calls, not a sample; the names in `DRAWN` that are left out."""

    upstream: bool
    thorough: bool = False
    without: tuple[str, ...] = ()


def outcomes(subject: Subject, tok: dstok.Tokenizer, text: str, seed: int, how: How) -> Iterator[Outcome]:
    """All of them; some are drawn by the seed, if not `how.thorough`."""
    yield from whole(subject, tok, text)
    chance, ids = random.Random(f"{seed} {tok._encoder.finder.strategy()}"), subject.ids(text)
    for calls, share in DRAWN.items():
        if calls in IN_PARTS and not subject.streams:
            continue
        if (chance.random() < share or how.thorough) and calls.__name__ not in how.without:
            yield from calls(subject, tok, text, ids, chance)


def whole(subject: Subject, tok: dstok.Tokenizer, text: str) -> Iterator[Outcome]:
    """A text in one call."""
    ids = subject.ids(text)
    yield "encode", tok.encode(text), ids
    yield "encode of bytes", tok.encode(text.encode()), ids
    yield "count", (tok.count(text), tok.count(text.encode())), (len(ids), len(ids))


def places_of(text: str, chance: random.Random) -> list[int]:
    """Where to cut a text in two."""
    if len(text) <= SHORT:
        return list(range(len(text) + 1))
    far = [edge for border in (63, 64, 65536) for edge in range(border - 2, min(border + 3, len(text)))]
    odd = [at for at in range(1, min(len(text), 5000)) if text[at].isascii() != text[at - 1].isascii()]
    return [*(chance.choice((chance.randrange(len(text) + 1), *chance.sample(far, 1), *chance.sample(odd, min(len(odd), 2))))
              for _ in range(PLACES if len(text) < 5000 else PLACES_OF_LONG))]


def streamed(tok: dstok.Tokenizer, parts: list[Any]) -> list[int]:
    stream, ids = tok.encode_stream(), list[int]()
    for part in parts:
        ids += stream.feed_list(part)
    return ids + stream.finish_list()


def grown(tok: dstok.Tokenizer, parts: list[Any]) -> list[list[int]]:
    """The ids after each part, told by `ids` and by what `append` gives."""
    growing, told, found = tok.encode_incremental(), list[int](), []
    for part in parts:
        kept, new = growing.append(part)
        told = told[:kept] + new
        found.append(told if told == growing.ids else [-1, *told])
    return found


def in_two(subject: Subject, tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    """Streams and growing texts of two parts."""
    for place in places_of(text, chance):
        parts = [text[:place], text[place:]]
        yield f"stream cut at character {place}", streamed(tok, parts), ids
        yield f"growing text cut at character {place}", grown(tok, parts), [subject.ids(parts[0]), ids]


def in_parts(subject: Subject, tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    """Character by character, or in some parts; of bytes, too."""
    if len(text) <= SHORT:
        yield "stream of characters", streamed(tok, list(text)), ids
        yield "growing text of characters", grown(tok, list(text)), [subject.ids(text[:end]) for end in range(1, len(text) + 1)]
    data = text.encode()
    for whole in (text, data):
        places = sorted(chance.choices(range(len(whole) + 1), k=chance.randint(0, 8)))
        parts = [whole[start:end] for start, end in zip([0, *places], [*places, len(whole)])]
        yield f"stream of {type(whole).__name__}", streamed(tok, parts), ids


def forked(subject: Subject, tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    """What a copy is given does not reach the other one; or there is no copy."""
    place = chance.randrange(len(text) + 1)
    growing, stream = tok.encode_incremental(), tok.encode_stream()
    growing.append(text[:place])
    begun = stream.feed_list(text[:place])
    ends = (text[place:], text[: chance.randint(0, 9)], "")
    try:
        texts, streams = [growing, copy.copy(growing), copy.copy(growing)], [stream, copy.copy(stream), copy.copy(stream)]
    except (TypeError, dstok.DstokError):
        return
    whole = [subject.ids(text[:place] + end) for end in ends]
    for each, end in zip(texts, ends):
        each.append(end)
    yield "copies of a growing text", [each.ids for each in texts], whole
    fed = [begun + each.feed_list(end) for each, end in zip(streams, ends)]
    yield "copies of a stream", [ids + each.finish_list() for ids, each in zip(fed, streams)], whole


def batches(subject: Subject, tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    places = sorted(chance.choices(range(len(text) + 1), k=chance.randint(0, 8)))
    parts = [text[start:end] for start, end in zip([0, *places], [*places, len(text)])]
    lone = [subject.ids(part) for part in parts]
    threads = chance.choice((1, 1, 1, 2, 5))
    yield "encode_batch", tok.encode_batch([text, *parts, text.encode()], num_threads=threads), [ids, *lone, ids]
    yield "count_batch", tok.count_batch([*parts, text], num_threads=threads), [*map(len, lone), len(ids)]


def columns(found: Any) -> list[Any]:
    return [each.tolist() for each in (found.byte_spans, found.char_spans, found.pieces, found.special)]


def of_the_end(tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    """The ids from a sure start on; the spans of pieces; parts of a text."""
    start = start_before(tok._encoder, tok._normalizer, tok._added.policy("all"), text, chance.randint(0, len(text)))
    if not (tok._normalizer and tok._normalizer.prefix):  # else the rest alone gets a space
        rest = tok.encode(text[start:])
        yield f"ids from character {start} on", rest, ids[len(ids) - len(rest) :]
    model = tok.inspect()
    pieces = model.pretokenize(text)
    yield "spans of pieces", model.piece_spans(text).tolist(), [[piece.start, piece.end] for piece in pieces]
    yield "spans of pieces in characters", model.piece_spans(text, unit="characters").tolist(), [
        [piece.char_start, piece.char_end] for piece in pieces]
    parts = list(tok.chunk(text, chance.choice((60, 200))))
    yield "parts of a text", "".join(parts), text


def around(subject: Subject, tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    """What is built on ids."""
    yield "encode_array", tok.encode_array(text).tolist(), ids
    if subject.plain:
        yield "decode", tok.decode(ids), text
    limit = chance.randint(0, len(ids) + 1)
    yield "count_up_to", tok.count(text, limit=limit), subject.reference.count(text, limit=limit)
    yield "offsets", columns(tok.encode_with_offsets(text)), columns(subject.reference.encode_with_offsets(text))
    yield from of_the_end(tok, text, ids, chance)
    if len(text) < 2000 and limit:
        cut = tok.truncate(text, limit)
        yield "truncate", (text.startswith(cut), len(subject.ids(cut)) <= limit), (True, True)


def broken(subject: Subject, tok: dstok.Tokenizer, text: str, ids: list[int], chance: random.Random) -> Iterator[Outcome]:
    """Bytes that are no UTF-8."""
    data = bytearray(text.encode()[:3000])
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        data[at : at + 1] = bytes([chance.randrange(128, 256)])
    yield "invalid utf-8", fault(tok, bytes(data)), python_fault(bytes(data))
    yield "replaced utf-8", tok.encode(bytes(data), errors="replace"), subject.ids(data.decode(errors="replace"))


def fault(tok: dstok.Tokenizer, data: bytes) -> int | None:
    """Where the tokenizer says that bytes are no UTF-8."""
    try:
        tok.encode(data)
    except dstok.TextError as error:
        return error.offset
    return None


def python_fault(data: bytes) -> int | None:
    """Where Python says so."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


DRAWN = {in_two: 0.5, in_parts: 0.3, forked: 0.1, batches: 0.15, around: 0.04, broken: 0.1}
IN_PARTS = (in_two, in_parts, forked)


def difference(subject: Subject, text: str, seed: int, how: How) -> str | None:
    """What differs on a text, or None."""
    ways = set[str]()  # where two levels find pieces in the same way, one makes the drawn calls
    for name, tok in subject.levels.items():
        calls = outcomes(subject, tok, text, seed, how) if tok._encoder.finder.strategy() not in ways else whole(subject, tok, text)
        ways.add(tok._encoder.finder.strategy())
        for what, found, expected in calls:
            if found != expected:
                return f"{what} at level {name}"
    if how.upstream and subject.ids(text) != subject.upstream(text):
        return "automaton against upstream"
    for name, tok in subject.levels.items() if how.upstream and subject.judged else ():
        assert subject.judged
        for what, found, expected in subject.judged(tok, text, random.Random(seed)):
            if found != expected:
                return f"{what} against upstream at level {name}"
    return None


def minimised(subject: Subject, text: str, seed: int, how: How, tries: int = 3000) -> str:
    """The text with parts left out, as long as it still differs."""
    step = max(len(text) // 2, 1)
    while tries > 0:
        at, before = 0, text
        while at < len(text) and tries > 0:
            shorter = text[:at] + text[at + step :]
            tries -= 1
            if difference(subject, shorter, seed, replace(how, thorough=len(shorter) < 1000)):
                text = shorter
            else:
                at += step
        if step == 1 and text == before:
            break
        step = max(step // 2, 1)
    return text
