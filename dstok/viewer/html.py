"""Tokens as HTML, on self-contained pages; signs for characters that cannot be seen, for pages and terminals alike.

In: a reading and a range of its tokens; a body, style and script; a `Sheet`. Out: a list `<ol>` with an item a token;
pages. Invariant: the text is shown and cannot act. Markup is escaped; controls, and characters that change the
direction of writing, stand as their numbers; blanks, tabs and line feeds have signs, all from `SIGNS`. A character that
several tokens share stands once, in a box with its tokens. A page runs only its own scripts, by their hash.

Classes of tokens: `c` continues the piece of the token before, `a` is an added token, `d` is missing in the other
reading, `w` has more than `MOST_WHOLE` characters or twice as many columns, `v` more than `MOST_WHOLE` columns, `m` is
a box of several tokens, `g` is text that no token holds, `r` begins in a line that runs from right to left: there
`<bdi>` isolates tokens with letters or digits that run the other way, and all others stay joined, as Arabic letters
are. Classes of parts: `n` line feed, `t` tab, `u` a character as its number, or ∅ for no text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from html import escape
from importlib.resources import files
from itertools import groupby
from string import Template
from typing import TYPE_CHECKING, Any

from dstok._util.columns import width
from dstok.viewer.reading import MAX_MERGED, Reading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.viewer.sheet import Sheet

BLANKS = {" ": "·", "\n": "↵", "\t": "⇥"}
# Unicode has a picture of each control character of ASCII, from U+2400 on; the picture of U+007F comes after them.
SIGNS = {chr(code): chr(0x2400 + code) for code in range(32)} | {"\x7f": "\u2421"} | BLANKS
# Characters that Python calls printable and nobody sees: Unicode's default ignorable ones, and Braille's blank.
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
DOTTED_CIRCLE = "\u25cc"
STYLE = f':root {{ --space: "{BLANKS[" "]}"; --line-feed: "{BLANKS[chr(10)]}"; --tab: "{BLANKS[chr(9)]}" }}\n'


def circle_before(text: str) -> str:
    """The dotted circle, for Unicode's way to write a combining mark alone; "" if `text` begins with none."""
    return DOTTED_CIRCLE if unicodedata.category(text[:1] or "a")[0] == "M" and not UNSEEN.match(text) else ""


def sign_of(char: str) -> str | None:
    """The sign of a character that cannot be seen; None for one that can."""
    seen = char.isprintable() and not UNSEEN.match(char)
    return SIGNS.get(char) or (None if seen else f"U+{ord(char):04X}")


def split_bytes(data: bytes) -> list[str | bytes]:
    """The bytes of a token in parts: whole characters as text, the bytes between them as bytes."""
    text = data.decode("utf-8", "surrogateescape")  # a byte outside whole characters becomes a lone surrogate
    parts = [(wrong, "".join(chars)) for wrong, chars in groupby(text, key=lambda char: "\udc80" <= char <= "\udcff")]
    return [part.encode("utf-8", "surrogateescape") if wrong else part for wrong, part in parts]


MOST_WHOLE = 20  # characters of a token that stays in one piece on any screen

# Blanks stand as themselves, so that copied text has them; the style adds their signs.
BLANKS_MARKUP = {" ": "<i> </i>", "\n": "<i class=n>\n</i>", "\t": "<i class=t>\t</i>"}
LOOK_BACK = 10_000  # characters: how far before a list's first token the start of its line is looked for
NOTHING = "<i class=u>\u2205</i>"
# The blocks of Unicode that have letters which run from right to left.
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


def tokens_html(reading: Reading, first: int, last: int, differ: npt.NDArray[np.bool_] | None = None) -> str:
    """The tokens `first` to `last` (excluded) as a list.

    >>> import dstok
    >>> from dstok.viewer import read
    >>> print(tokens_html(read(dstok.load("deepseek-v3"), "<b> dstoken"), 0, 4))
    <ol><li>&lt;b<li>&gt;<li><i> </i>dst<li class=c>oken</ol>
    """
    return f"<ol>{''.join(_items(reading, first, last, differ))}</ol>"


def _items(reading: Reading, first: int, last: int, differ: npt.NDArray[np.bool_] | None) -> Iterator[str]:
    spans, shared = reading.encoding.char_spans[first : last + 1].tolist(), reading.shared[first : last + 1].tolist()
    backward, numbers = _backward(reading, first, last), reading.encoding.pieces[max(first - 1, 0) : last].tolist()
    before = numbers if first else [-2, *numbers]
    opened = [(number == earlier >= 0) + 2 * added + 4 * other for number, earlier, added, other in zip(
        before[1:], before, reading.encoding.special[first:last].tolist(),
        [False] * (last - first) if differ is None else differ[first:last].tolist())]
    text, at, done = reading.text, 0, int(reading.encoding.char_spans[first - 1, 1]) if first else 0
    while at < last - first:
        start, end = spans[at]
        right = backward[at]
        if start > done:
            yield _opening("gr" if right else "g") + _isolated(text[done:start], shown(text[done:start]), right)
        done = max(done, end)
        if not shared[at + 1]:
            part = text[start:end]
            # A token outside the text, such as BOS, shows its bytes; the sign of the empty set if it has none.
            html = shown(part) or shown(reading.bytes_of(first + at).decode("utf-8", "replace")) or NOTHING
            yield OPEN[opened[at] + _long(part) + 32 * right] + _isolated(part, html, right and not opened[at] & 2)
            at += 1
            continue
        begin = at
        while shared[at + 1]:
            at += 1
        at += 1
        done = spans[at - 1][1]
        parts = "".join(OPEN[opened[each]] + byte_parts(reading.bytes_of(first + each)) for each in range(begin, at))
        yield f"{_opening('mr' if right else 'm')}<b>{shown(text[start:done])}</b><ol>{parts}</ol>"
    if last == len(reading) and done < len(text):
        right = backward[-1] if backward else False
        yield _opening("gr" if right else "g") + _isolated(text[done:], shown(text[done:]), right)


def _isolated(text: str, html: str, right: bool) -> str:
    apart = right and any(unicodedata.bidirectional(char) in ("L", "EN", "AN") for char in text)
    return f"<bdi>{html}</bdi>" if apart else html


def _backward(reading: Reading, first: int, last: int) -> list[bool]:
    """Whether each token begins in a line from right to left: one whose first letter outside added tokens runs so."""
    spans, special = reading.encoding.char_spans, reading.encoding.special
    if first == last:
        return []
    start, end = int(spans[first, 0]), int(spans[last - 1, 1])
    begin = reading.text.rfind("\n", max(0, start - LOOK_BACK), start) + 1 or max(0, start - LOOK_BACK)
    text = reading.text[begin:end]
    if not RIGHT_TO_LEFT.search(text):
        return [False] * (last - first)
    before = int(spans[:first, 0].searchsorted(begin))
    for start, stop in spans[before:last][special[before:last]].tolist():
        text = text[: start - begin] + " " * (stop - start) + text[stop - begin :]
    found, line_end, right = list[bool](), 0, False
    for start in spans[first:last, 0].tolist():
        if start - begin >= line_end or not found:
            line_end = text.find("\n", start - begin) + 1 or len(text)
            line = text[text.rfind("\n", 0, start - begin) + 1 : line_end]
            classes = (unicodedata.bidirectional(char) for char in line if not sign_of(char))
            right = bool(RIGHT_TO_LEFT.search(line)) and next(
                (its != "L" for its in classes if its in ("L", "R", "AL")), False)
        found.append(right)
    return found


def _opening(classes: str) -> str:
    if len(classes) < 2:
        return f"<li class={classes}>" if classes else "<li>"
    return f'<li class="{" ".join(classes)}">'


OPEN = [_opening("".join(name for bit, name in enumerate("cadvwr") if flags >> bit & 1)) for flags in range(64)]


@lru_cache(1 << 12)
def _columns(text: str) -> int:
    """The columns of a text without its line feeds, as the terminal has them."""
    return sum(width(sign_of(char) or char) for char in text if char != "\n")


def _long(text: str) -> int:
    """The bits of `OPEN` for a token's text: 16, 8 or 0."""
    if len(text) <= MOST_WHOLE and (text.isascii() or len(text) < 3):  # no sign has more than the 8 of U+10FFFF
        return 0
    columns = _columns(text)
    return 16 * (len(text) > MOST_WHOLE or columns > 2 * MOST_WHOLE) or 8 * (columns > MOST_WHOLE)


@lru_cache(1 << 15)
def shown(text: str) -> str:
    """Text for a page."""
    if text.isalnum() and text.isascii():
        return text
    return circle_before(text) + "".join([
        BLANKS_MARKUP.get(char) or (f"<i class=u>{sign}</i>" if (sign := sign_of(char)) else escape(char, quote=False))
        for char in text])


@lru_cache(1 << 12)
def byte_parts(data: bytes) -> str:
    """A token that holds parts of characters: whole characters as text, other bytes in hexadecimal."""
    return "".join(shown(part) if isinstance(part, str) else f"<code>{part.hex(' ')}</code>"
                   for part in split_bytes(data))


MOST_INLINE = 100_000  # tokens written into the page; of more tokens, the rows are filled in as they are scrolled to
STYLES, SCRIPTS = ("base.css", "view.css"), ("data.js", "details.js", "rows.js", "view.js")


@cache
def asset(name: str) -> str:
    """A file of `dstok/viewer/files`; base.css comes with the signs of blanks before it."""
    text = (files("dstok.viewer") / "files" / name).read_text(encoding="utf-8")
    return STYLE + text if name == "base.css" else text


def document(title: str, head: str, body: str, end: str = "", policy: str = "", classes: str = "") -> str:
    """A page of HTML; only `title` is text."""
    return Template(asset("page.html")).substitute(
        title=escape(title), head=head, body=body, end=end, policy=policy, classes=classes and f" class={classes}")


def page(title: str, body: str, *, styles: Sequence[str] = (), scripts: Sequence[str] = (), data: Any = None,
         classes: str = "") -> str:
    """A self-contained page.

    `body`: HTML, escaped; `styles`: after those of base.css; `data`: a value of JSON for the scripts, in the element
    `data`.

    >>> print(page("a < b", "<p>fine</p>").split("<style>")[0].splitlines()[-1])
    <title>a &lt; b</title>
    """
    style, script = "\n".join([asset("base.css"), *styles]), "\n".join(scripts)
    policy = f"default-src 'none'; style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    policy += f"; script-src {_hash(script)}" if script else ""
    end = f"<script>{script}</script>\n" if script else ""
    if data is not None:
        json_data = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")  # no markup
        end = f'<script type="application/json" id="data">{json_data}</script>\n{end}'
    return document(title, f"<style>{style}</style>\n", body, end,
                    f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n', classes)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def view_body(editor: bool, rows: str = "", status: str = "") -> str:
    """The body of a view, with an editor if a server answers it. `rows`: HTML; `status`: text."""
    editing = asset("editor.html") if editor else ""
    signs = escape(json.dumps(SIGNS))
    return Template(asset("view.html")).substitute(editor=editing, rows=rows, status=escape(status), signs=signs)


def page_of(sheet: Sheet, title: str = "dstok view") -> str:
    """The page of a sheet: the whole view, without a server.

    Of more than `MOST_INLINE` tokens the page holds the rows as data, shows those scrolled to, and holds no merges.

    >>> import dstok
    >>> from dstok.viewer import Sheet, read
    >>> "<li>Hello<li><i> </i>world</ol>" in page_of(Sheet([read(dstok.load("deepseek-v3"), "Hello world")]))
    True
    """
    inline = max(map(len, sheet.readings)) <= MOST_INLINE
    data = {**sheet.export, "pieces": [pieces(reading, inline) for reading in sheet.readings]}
    rows = [list(zip(*sheet.starts[number : number + 2].tolist())) for number in range(len(sheet))]
    html = [[sheet.html(side, *each) for side, each in enumerate(row)] for row in rows]
    shown = "".join(
        f'<div class="row"><span class="at" aria-hidden="true">{start + 1:,}</span>{"".join(lists)}</div>\n'
        for start, lists in zip(sheet.starts[:, 0].tolist(), html)) if inline else ""
    counts = "; ".join(f"{reading.name}: {len(reading):,} tokens" for reading in sheet.readings)
    return page(title, view_body(False, shown, counts), styles=[asset("view.css")],
                scripts=[asset(name) for name in SCRIPTS], data=data if inline else data | {"html": html},
                classes="static")


def pieces(reading: Reading, with_merges: bool) -> dict[str, Any] | None:
    """A reading's pieces for a page without a server: by number matches, by bytes merges; places if it normalizes."""
    if reading.tokenizer is None:
        return None
    reasons: dict[tuple[int, int], int] = {}
    tags = [reasons.setdefault((step, other), len(reasons)) for step, other in reading.piece_table[:, 4:].tolist()]
    columns = {"reasons": [[step, other] if step >= 0 else [None, None] for step, other in reasons], "tags": tags}
    places = None if not reading.tokenizer.inspect().normalizer else reading.piece_table[:, :4].tolist()
    datas: dict[int, bytes] = {}
    for token, number in enumerate(reading.encoding.pieces.tolist() if with_merges else ()):
        if not reading.encoding.special[token]:
            datas[number] = datas.get(number, b"") + reading.bytes_of(token)
    merges = {data.hex(): reading.merges(data) for data in dict.fromkeys(datas.values()) if len(data) <= MAX_MERGED}
    return columns | {"places": places, "merges": merges if with_merges else None}
