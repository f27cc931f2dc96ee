"""`dstok view`: show the tokens of a text in a browser.

In: a file, or none. Out: a server on this machine, until Ctrl-C; with --output a page, with --json its data.
Invariant: no request leaves the machine, and none opens a file: the page can ask only for the models that `dstok
models` lists and those that the command line names.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dstok
from dstok._util.arguments import characters
from dstok._util.files import reason
from dstok.chat.versions import versions
from dstok.cli import arguments as options
from dstok.cli.arguments import DEFAULT_MODEL, Command, load_model, model_of, refuse_unless
from dstok.cli.output import CommandError, about_input, json_bytes
from dstok.errors import FileError
from dstok.io.id_files import Output
from dstok.io.text_files import open_source, text_of

if TYPE_CHECKING:
    from dstok.viewer.reading import Reading
    from dstok.viewer.server import Asked, ReadText


def run_view(arguments: Namespace) -> None:
    from dstok.viewer.server import Asked, Requests

    name, text = _text(arguments)
    if arguments.model is None:
        arguments.model = model_of(arguments.chat) if arguments.chat else DEFAULT_MODEL
    special = arguments.special or ("none" if arguments.chat else "all")
    names = _names(arguments.model, arguments.compare or "")
    asked = Asked(text, *names, special, arguments.chat or "", arguments.add_bos, arguments.add_eos)
    readers, foreign = _readers(arguments, *names)
    requests = Requests(readers, asked, name, foreign)
    if arguments.output is not None or arguments.json:
        from dstok.viewer.html import page_of

        with about_input(name):
            sheet = requests.sheet(requests.begin)
        page = "" if arguments.json else page_of(sheet, f"{name}: tokens")
        with Output(arguments.output, arguments.files) as output:
            # The name of a file may not be UTF-8.
            output.write(json_bytes(sheet.export) if arguments.json else page.encode("utf-8", "replace"))
        return
    with about_input(name):
        requests.sheet(asked if asked.kind else asked._replace(text=""))  # errors now, not in the page
    _serve(arguments, requests)


def _text(arguments: Namespace) -> tuple[str, str]:
    """The name and the text of the input."""
    if len(arguments.files) > 1:
        raise CommandError("view takes one file")
    if not arguments.files:
        for option in ("output", "json", "chat"):
            refuse_unless(getattr(arguments, option) in (None, False), f"--{option}", "a FILE")
        return "", ""
    from dstok.viewer.server import MAX_TEXT

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
    from dstok.viewer.server import reader_of

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
    from dstok.conformance.engines import CandidateError, open_engine
    from dstok.conformance.upgrade import model_file
    from dstok.viewer.reading import read_ids

    like = load_model(model, upstream)
    with model_file(model) as file:
        try:
            engine = open_engine(spec, file)
        except CandidateError:
            raise
        except Exception as error:  # the library may raise anything for the file
            raise CandidateError(f"{spec}: {type(error).__name__}: {error}") from error

    def reader(asked: Asked, name: str) -> Reading:
        if asked.kind:
            raise CommandError("a conversation is for tokenizers of dstok")
        text = characters(asked.text, True)
        try:
            ids, spans = (engine.encode(text), None) if engine.offsets is None else engine.offsets(text)
        except Exception as error:
            raise CandidateError(f"{name}: {type(error).__name__}: {error}") from error
        return read_ids(name, text, ids, like, None if spans is None else list(spans))

    return reader


def _serve(arguments: Namespace, requests: Any) -> None:
    import webbrowser

    from dstok.viewer.server import ViewServer

    try:
        server = ViewServer(requests, arguments.port or 0)
    except (OSError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise CommandError(f"--port {arguments.port}: {why}") from error
    with server, suppress(KeyboardInterrupt):
        print(f"dstok view: {server.address} (Ctrl-C ends it)", flush=True)
        if not arguments.no_browser:
            webbrowser.open(server.address)
        server.serve_forever(poll_interval=0.1)


COMMANDS = {
    "view": Command(
        run_view, "show the tokens of a text in a browser", "dstok view --compare deepseek-r1 notes.md", f"""\
files FILE *  the first text to show; - is standard input
{options.ANY_MODEL}{options.UPSTREAM}\
--compare NAME|SPEC  another tokenizer to show beside it
--chat V {{{','.join(version.name for version in versions())}}}  read the file as a conversation in this version of the
 format, with the version's model
--special {{all,none,raise}}  how to read texts of added tokens: all as tokens (default, but in messages none), none as
 tokens, raise refuses them
{options.ERRORS}{options.EDGES.format("", "")}\
--port N  the port of the address (default: a free one)
--no-browser  print the address and open no browser
--json  print FILE's tokens as JSON, as the page saves them, instead of a page
{options.OUTPUT}""", """\
--output writes the page to a file that needs nothing else. Without it, the page comes from an address of
this machine that contains a random key; nothing leaves the machine. --compare takes the candidates of
`dstok verify`: a model, or a tokenizer of yours, such as tokenizers:tokenizer.json.

"""),
}
