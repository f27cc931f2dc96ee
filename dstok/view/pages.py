"""Self-contained pages: their base, and the page of a sheet.

In: a body, style and script; a `Sheet`. Out: HTML. Invariant: a page fetches nothing and runs only its own scripts: its
policy (Content-Security-Policy) allows only its own style and scripts, by their hashes. The text is shown and cannot
act.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from dstok.view.reading import MAX_MERGED, Reading
from dstok.view.signs import SIGNS, STYLE

if TYPE_CHECKING:
    from dstok.view.sheet import Sheet

__all__ = ["MOST_INLINE", "SCRIPTS", "STYLES", "asset", "page", "page_of", "view_body"]

MOST_INLINE = 100_000  # tokens written into the page; of more tokens, the rows are filled in as they are scrolled to
STYLES, SCRIPTS = ("base.css", "view.css"), ("data.js", "details.js", "rows.js", "view.js")


@cache
def asset(name: str) -> str:
    """A file of `dstok/view/files`; base.css comes with the signs of blanks before it."""
    text = (files("dstok.view") / "files" / name).read_text(encoding="utf-8")
    return STYLE + text if name == "base.css" else text


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
    held = "" if data is None else f'<script type="application/json" id="data">{_json(data)}</script>\n'
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta name="referrer" content="no-referrer">\n<title>{escape(title)}</title>\n'
            f"<style>{style}</style>\n</head>\n<body{f' class={classes}' if classes else ''}>\n{body}\n{held}"
            + (f"<script>{script}</script>\n" if script else "") + "</body>\n</html>\n")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(value: Any) -> str:
    """JSON that contains no markup."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def view_body(editor: bool, rows: str = "", status: str = "") -> str:
    """The body of a view, with an editor if a server answers it. `rows`: HTML; `status`: text."""
    editing = asset("editor.html") if editor else ""
    signs = escape(json.dumps(SIGNS))
    return Template(asset("view.html")).substitute(editor=editing, rows=rows, status=escape(status), signs=signs)


def page_of(sheet: Sheet, title: str = "dstok view") -> str:
    """The page of a sheet: the whole view, without a server.

    Up to `MOST_INLINE` tokens are written into the page, where any browser finds and prints them. With more tokens, the
    page holds the rows as data and shows the ones scrolled to; it then holds no merges.

    >>> import dstok
    >>> from dstok.view import Sheet, read
    >>> "<li>Hello<li><i> </i>world</ol>" in page_of(Sheet([read(dstok.load("deepseek-v3"), "Hello world")]))
    True
    """
    inline = max(map(len, sheet.readings)) <= MOST_INLINE
    data = {**sheet.export, "pieces": [pieces(reading, inline) for reading in sheet.readings]}
    rows = [list(zip(*sheet.starts[number : number + 2].tolist())) for number in range(len(sheet))]
    html = [[sheet.html(side, *each) for side, each in enumerate(row)] for row in rows]
    shown = "".join(map(_row, sheet.starts[:, 0].tolist(), html)) if inline else ""
    counts = "; ".join(f"{reading.name}: {len(reading):,} tokens" for reading in sheet.readings)
    return page(title, view_body(False, shown, counts), styles=[asset("view.css")],
                scripts=[asset(name) for name in SCRIPTS], data=data if inline else data | {"html": html},
                classes="static")


def _row(start: int, lists: Sequence[str]) -> str:
    return f'<div class="row"><span class="at" aria-hidden="true">{start + 1:,}</span>{"".join(lists)}</div>\n'


def pieces(reading: Reading, with_merges: bool) -> dict[str, Any] | None:
    """The data of a reading's pieces for a page without a server: by number their matches, by bytes their merges.

    places: the pieces' places if the model normalizes, since tokens do not give them then; else None.
    """
    if reading.tokenizer is None:
        return None
    reasons: dict[tuple[int, int], int] = {}
    tags = [reasons.setdefault((step, other), len(reasons)) for step, other in reading.piece_table[:, 4:].tolist()]
    columns = {"reasons": [[step, other] if step >= 0 else [None, None] for step, other in reasons], "tags": tags}
    places = None if not reading.tokenizer.inspect().normalizer else reading.piece_table[:, :4].tolist()
    return columns | {"places": places, "merges": _merges(reading) if with_merges else None}


def _merges(reading: Reading) -> dict[str, Any]:
    encoding = reading.encoding
    added = encoding.special
    datas: dict[int, bytes] = {}
    for token, number in enumerate(encoding.pieces.tolist()):
        if not added[token]:
            datas[number] = datas.get(number, b"") + reading.bytes_of(token)
    return {data.hex(): reading.merges(data) for data in set(datas.values()) if len(data) <= MAX_MERGED}
