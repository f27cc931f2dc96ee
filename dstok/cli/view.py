"""`dstok view`: show the tokens of a text in a browser.

In: a file, or none. Out: a server on this machine, until Ctrl-C; with --output a page, with --json its data.
Invariant: no request leaves the machine, and none opens a file: the page can ask only for the models that `dstok
models` lists and those that the command line names.
"""

from __future__ import annotations

import webbrowser
from argparse import Namespace
from contextlib import suppress
from functools import partial
from pathlib import Path

import dstok
from dstok._util.arguments import characters
from dstok._util.files import reason
from dstok.cli.arguments import DEFAULT_MODEL, load_model, model_of, refuse_unless
from dstok.cli.output import CommandError, about_input, json_bytes
from dstok.errors import FileError
from dstok.io.id_files import Output
from dstok.io.text_files import open_source, text_of
from dstok.viewer.html import page_of
from dstok.viewer.reading import Reading, read_ids
from dstok.viewer.server import MAX_TEXT, Asked, ReadText, Requests, ViewServer, reader_of


def run_view(arguments: Namespace) -> None:
    name, text = _text(arguments)
    if arguments.model is None:
        arguments.model = model_of(arguments.chat) if arguments.chat else DEFAULT_MODEL
    special = arguments.special or ("none" if arguments.chat else "all")
    names = _names(arguments.model, arguments.compare or "")
    asked = Asked(text, *names, special, arguments.chat or "", arguments.add_bos, arguments.add_eos)
    readers, foreign = _readers(arguments, *names)
    requests = Requests(readers, asked, name, foreign)
    if arguments.output is not None or arguments.json:
        with about_input(name):
            sheet = requests.sheet(requests.begin)
        page = "" if arguments.json else page_of(sheet, f"{name}: tokens")
        with Output(arguments.output) as output:
            # The name of a file may not be UTF-8.
            output.write(json_bytes(sheet.export) if arguments.json else page.encode("utf-8", "replace"))
        return
    with about_input(name):
        requests.sheet(asked if asked.kind else asked._replace(text=""))  # errors now, not in the page
    try:
        server = ViewServer(requests, arguments.port or 0)
    except (OSError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else "expected at most 65535"
        raise CommandError(f"--port {arguments.port}: {why}") from error
    with server, suppress(KeyboardInterrupt):
        print(f"dstok view: {server.address} (Ctrl-C ends it)", flush=True)
        if not arguments.no_browser:
            webbrowser.open(server.address)
        server.serve_forever(poll_interval=0.1)


def _text(arguments: Namespace) -> tuple[str, str]:
    """The name and the text of the input."""
    if len(arguments.files) > 1:
        raise CommandError("view takes one file")
    if not arguments.files:
        for option in ("output", "json", "chat"):
            refuse_unless(getattr(arguments, option) in (None, False), f"--{option}", "a FILE")
        return "", ""
    data = b""
    with open_source(arguments.files[0]) as source:
        for block in source.blocks():
            data += block
            if len(data) > MAX_TEXT:
                raise CommandError(f"{source.name}: expected at most {MAX_TEXT >> 20} MB, found more: `dstok show` and "
                                   "`dstok dump` take files of any size")
    try:
        return source.name, text_of(source.name, data, arguments.errors).removeprefix("\ufeff" * bool(arguments.chat))
    except FileError as error:
        raise CommandError(f"{error} (--errors replace reads it as U+FFFD)") from None


def _names(model: str, compared: str) -> tuple[str, str]:
    """How a page names two models: a file by its name, tokenizer.json by its folder's, if that leaves two names."""
    def short(name: str) -> str:
        path = Path(name)
        if not path.exists() or name in dstok.models():
            return name
        return path.resolve().parent.name if path.is_file() and path.stem in ("tokenizer", "tekken") else path.name

    short_names = short(model), short(compared) if compared else ""
    clash = len({*short_names, *dstok.models()}) < len({*dstok.models(), model, compared})
    return (model, compared) if clash else short_names


def _readers(arguments: Namespace, name: str, other: str) -> tuple[dict[str, ReadText], frozenset[str]]:
    """The readers of texts, by the name on the page; and the names of those from other libraries.

    The models that the command names are loaded now, so that a broken model is not reported as a broken text.
    """
    def loaded(name: str) -> ReadText:
        model = load_model(name, upstream)
        return reader_of(lambda: model)

    upstream, compared = arguments.upstream, arguments.compare
    readers = {name: loaded(arguments.model)}
    whole = arguments.json or arguments.output is not None  # there is no page that offers other models
    for model in () if whole else dstok.models():
        readers.setdefault(model, reader_of(partial(load_model, model, upstream)))
    if compared is not None and other not in readers:
        from dstok.conformance.engines import OPENERS

        if compared.partition(":")[0] in OPENERS:
            readers[other] = _foreign(compared, arguments.model, upstream)
            return readers, frozenset([other])
        readers[other] = loaded(compared)
    return readers, frozenset()


def _foreign(spec: str, model: str, upstream: str | None) -> ReadText:
    """A reader of texts with another library's tokenizer."""
    from dstok.conformance.engines import library_faults, open_engine
    from dstok.conformance.upgrade import model_file

    like = load_model(model, upstream)
    with model_file(model) as file, library_faults(spec):
        engine = open_engine(spec, file)

    def reader(asked: Asked, name: str) -> Reading:
        if asked.kind:
            raise CommandError("a conversation is for tokenizers of dstok")
        text = characters(asked.text, True)
        with library_faults(name):
            ids, spans = (engine.encode(text), None) if engine.offsets is None else engine.offsets(text)
        return read_ids(name, text, ids, like, None if spans is None else list(spans))

    return reader
