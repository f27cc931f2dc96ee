"""Links a word of the glossary where a page first uses it.

In: the pages of the site. Out: the same; in each, the first use of a glossary's word in a paragraph leads to its row.
Invariant: code, headings, tables, links and the pages of the reference stay as they are. Words that are everyday words,
too, are not linked: a reader would not know which sense is meant.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

PAGE = "glossary"
EVERYDAY = {"base", "block", "character", "cold", "cut", "document", "engine", "floor", "gap", "implementation", "kind",
            "letter", "limit", "match", "newline", "offset", "other", "pass", "passage", "path", "pattern", "place",
            "portion", "prefix", "punctuation", "reading", "reference", "room", "row", "rules", "run", "section",
            "sign", "special", "start", "state", "step", "symbol", "tag", "view", "walk", "warm", "word", "corpus",
            "class", "finding", "lead", "tables", "rare", "spec", "sheet", "slot", "mark", "mask", "blank", "chunk",
            "counts", "description", "journal", "forecast", "matrix", "side", "border"}


def terms(glossary: nodes.document) -> dict[str, str]:
    """The words of the first columns, and the ids that their rows get here."""
    found = dict[str, str]()
    for row in glossary.findall(nodes.row):
        words = [word.strip() for word in re.split(r",|\(.*", row[0].astext()) if word.strip()]
        known = [word for word in words if word not in EVERYDAY and word not in found and row.parent.tagname == "tbody"]
        if known:
            anchor = nodes.make_id(f"word-{known[0]}")
            row[0]["ids"].append(anchor)
            found.update(dict.fromkeys(known, anchor))
    return found


def anchors(app: Sphinx, document: nodes.document) -> None:
    """Notes the words when the glossary is read; Sphinx keeps them with what it knows of all pages."""
    if app.env.docname == PAGE:
        app.env.glossary_terms = terms(document)  # type: ignore[attr-defined]


def link(app: Sphinx, document: nodes.document, page: str) -> None:
    """Links the first use of each word on a page."""
    left = dict[str, str](getattr(app.env, "glossary_terms", {}))
    if page == PAGE or page.startswith("reference/") or app.builder.format != "html":
        return
    waiting = [text for text in document.findall(nodes.Text) if isinstance(text.parent, nodes.paragraph)
               and not _inside(text, (nodes.table, nodes.title, addnodes.toctree))]
    while waiting and left:
        text = waiting.pop(0)
        words = "|".join(map(re.escape, sorted(left, key=len, reverse=True)))
        if (found := re.search(rf"(?i)(?<![\w-])({words})s?(?![\w-])", text)) is None:
            continue
        anchor = next(anchor for word, anchor in left.items() if word.lower() == found[1].lower())
        uri = f"{app.builder.get_relative_uri(page, PAGE)}#{anchor}"
        rest = nodes.Text(text[found.end() :])
        text.parent.replace(text, [nodes.Text(text[: found.start()]), nodes.reference(
            "", found[0], internal=True, refuri=uri, classes=["word"]), rest])
        waiting.insert(0, rest)
        left = {word: other for word, other in left.items() if other != anchor}


def _inside(node: nodes.Node, kinds: tuple[type[nodes.Element], ...]) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the two functions with Sphinx, which calls this one first."""
    app.connect("doctree-read", anchors)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
