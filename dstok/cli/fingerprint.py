"""`dstok fingerprint`: the fingerprint of each model, and a text that shows why two differ.

In: names or paths of models. Out: a line for each, fingerprint and name; if two differ, the shortest text with other
ids that was found. The exit code is 1 if two fingerprints differ. Invariant: the text does have other ids; where none
was found, that proves nothing, and the output says so.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from dstok.cli.arguments import DIFFERENT, load_model
from dstok.cli.output import write_result
from dstok.errors import DstokError
from dstok.tokenizer import Tokenizer

AT_ONCE = 1 << 12  # texts that are encoded in one call


def run(arguments: Namespace) -> int:
    first = load_model(arguments.names[0], arguments.upstream)
    prints, shown = [first.fingerprint], dict[str, Any]()
    for name in arguments.names[1:]:
        other = load_model(name, arguments.upstream)
        prints.append(other.fingerprint)
        if other.fingerprint != first.fingerprint and not shown:
            shown = {"models": [arguments.names[0], name]} | _difference(first, other)
    models = [{"name": name, "fingerprint": fingerprint} for name, fingerprint in zip(arguments.names, prints)]
    lines = [f"{fingerprint}  {name}" for name, fingerprint in zip(arguments.names, prints)]
    if shown:
        lines.append("{} and {} differ".format(*shown["models"]))
        if shown["text"] is None:
            lines.append("no text with other ids was found, which is no proof that there is none")
        else:
            lines += [f"text {shown['text']!r}", *(f"  {ids}" for ids in shown["ids"])]
        lines += [f"{name}: {one} and {other}" for name, (one, other) in shown["settings"].items()]
    write_result(arguments, {"models": models, "difference": shown or None}, lines, indent=2)
    return DIFFERENT if shown else 0


def _difference(first: Tokenizer, second: Tokenizer) -> dict[str, Any]:
    """A text with other ids, both ids, and the settings that differ: BOS, EOS, Unicode."""
    from dstok.conformance.causes import shrink

    pair = (first, second)

    def ask(texts: list[str]) -> list[bool | None]:
        rows = zip(*[tok.encode_batch(texts) for tok in pair])
        return [True if one != other else None for one, other in rows]

    text = None
    candidates = iter(sorted({*_candidates(first, second)}, key=lambda text: (len(text), text)))
    for texts in iter(lambda: [*islice(candidates, AT_ONCE)], []):
        text = next((text for text, differs in zip(texts, ask(texts)) if differs), None)
        if text is not None:
            text, _ = shrink(text, ask, True)
            break
    one, other = ({"bos_id": tok.bos_id, "eos_id": tok.eos_id, "unicode_version": tok.inspect().unicode_version}
                  for tok in pair)
    settings = {name: [value, other[name]] for name, value in one.items() if value != other[name]}
    return {"text": text, "ids": None if text is None else [tok.encode(text) for tok in pair], "settings": settings}


def _candidates(first: Tokenizer, second: Tokenizer) -> Iterator[str]:
    """Texts that may have other ids: those of tokens, alone and after a letter, and the one that the splitters tell."""
    from dstok.pretokenizer.splitter import Splitter

    for tok in (first, second):
        for token in chain(tok.get_vocab(), tok.added_tokens):
            yield token
            yield f"a{token}"
    for tok in (first, second):
        for id in range(tok.vocab_size):
            try:
                yield tok.decode([id], errors="strict")
            except DstokError:  # no token, or a part of a character
                continue
    try:
        found = Splitter.from_tokenizer(first).analyze().difference(Splitter.from_tokenizer(second))
    except DstokError:  # an automaton that is too large to compare
        return
    if found is not None:
        yield found.text
