"""The page's requests to the server: texts to tokenize, and then their tokens, as its reader scrolls.

In: the available models, and a first text or none; then requests, as values of JSON. Out: values of JSON.
Invariant: a model is one of those named at the start: no request opens a file. The last few results are kept. A request
for an older one is a `GoneError`; the page then sends its text again.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

from dstok.errors import ChatError, DstokError
from dstok.view.reading import Reading, read, read_conversation
from dstok.view.sheet import Sheet

__all__ = ["MAX_TEXT", "Asked", "GoneError", "ReadSettings", "Requests", "reader_of"]

MAX_RESULTS, MAX_TOKENS = 6, 4_000_000  # results, and their tokens together; the newest is always kept
MAX_TEXT = 32 << 20  # bytes of a file, characters of a request's text: some eight million tokens
LARGE = 1 << 20  # characters of a file's text that the page's text box can hold


class GoneError(DstokError):
    """A result that is no longer kept."""


class ReadSettings(NamedTuple):
    """How a text is read: `kind` is "", or the version of a conversation's format."""

    model: str
    other: str = ""
    special: str = "all"
    kind: str = ""
    bos: bool = False
    eos: bool = False


@dataclass(frozen=True)
class Asked:
    """A text, and the settings to read it with."""

    text: str
    settings: ReadSettings


ReadText = Callable[[Asked, str], Reading]


class Requests:
    """The answers. `readers`: by name, the readers of texts; `foreign`: names of those that only stand beside others.

    Several threads may ask at once; texts are tokenized one after the other.
    """

    def __init__(
        self, readers: Mapping[str, ReadText], start: Asked, about: str = "", foreign: frozenset[str] = frozenset(),
    ) -> None:
        self.readers, self.begin, self.about, self.foreign = readers, start, about, foreign
        self._results: OrderedDict[str, Sheet] = OrderedDict()
        self._lock, self._one = Lock(), Lock()

    def start(self) -> dict[str, Any]:
        """The page's first content. text: None if it is too large for a text box; the server keeps it."""
        from dstok.chat import versions

        text = self.begin.text if len(self.begin.text) <= LARGE else None
        return {**self.begin.settings._asdict(), "text": text, "size": len(self.begin.text), "most": MAX_TEXT,
                "about": self.about,
                "models": [name for name in self.readers if name not in self.foreign], "others": list(self.readers),
                "versions": {version.name: next(iter(version.models), None) for version in versions()}}

    def encode(self, body: Any) -> dict[str, Any]:
        """Tokenizes a text, or with `"text": null` the text of the start. Raises `DstokError`."""
        with self._one:
            sheet = self.sheet(self._asked(body))
        name = secrets.token_hex(8)
        with self._lock:
            self._results[name] = sheet
            while len(self._results) > MAX_RESULTS or (len(self._results) > 1 and self._tokens() > MAX_TOKENS):
                self._results.popitem(last=False)
        return {"result": name, "header": sheet.header(), "first": sheet.section(0)}

    def _tokens(self) -> int:
        return sum(len(reading) for sheet in self._results.values() for reading in sheet.readings)

    def sheet(self, asked: Asked) -> Sheet:
        """A text as the model reads it, and as the other model does, if there is one."""
        names = [name for name in (asked.settings.model, asked.settings.other) if name]
        return Sheet([self.readers[name](asked, name) for name in names])

    def result(self, name: str) -> Sheet:
        """The result that `encode` called `name`."""
        with self._lock:
            if name not in self._results:
                raise GoneError("this result is no longer kept: change the text, or load the page again")
            self._results.move_to_end(name)
            return self._results[name]

    def _asked(self, body: Any) -> Asked:
        if not isinstance(body, dict):
            raise ValueError("expected a JSON object")
        text = body.get("text")
        settings = ReadSettings(*(body.get(name, default) for name, default in
                              zip(ReadSettings._fields, (None, *ReadSettings._field_defaults.values()))))
        kinds = (str, str, str, str, bool, bool)
        if not isinstance(text, str | None) or not all(map(isinstance, settings, kinds)):
            raise ValueError("expected a text and its settings")
        if settings.model not in self.readers or settings.model in self.foreign or \
                settings.other not in ("", *self.readers) or settings.special not in ("all", "none", "raise"):
            raise ValueError("expected a model that the page offers")
        if text is not None and len(text) > MAX_TEXT:
            raise ValueError(f"expected a text of at most {MAX_TEXT >> 20} million characters, found {len(text):,}")
        return Asked(self.begin.text if text is None else text, settings)


def reader_of(load: Callable[[], Any]) -> ReadText:
    """A reader of texts with the tokenizer from `load`. It calls `load` once, on first use."""
    loaded: list[Any] = []

    def reader(asked: Asked, name: str) -> Reading:
        if not loaded:
            loaded.append(load())
        settings = asked.settings
        if settings.kind:
            return _conversation(loaded[0], asked, name)
        return read(loaded[0], asked.text, special=settings.special, add_bos=settings.bos,  # type: ignore[arg-type]
                    add_eos=settings.eos, name=name)

    return reader


def _conversation(tokenizer: Any, asked: Asked, name: str) -> Reading:
    """A text that is JSON: an array of messages, or the body of a request."""
    from dstok import chat

    try:
        value = json.loads(asked.text)
    except (ValueError, RecursionError) as error:
        raise ChatError(f"expected a conversation as JSON: {str(error)[:1].lower()}{str(error)[1:]}") from None
    request = chat.read_request(value if isinstance(value, dict) else {"messages": value})
    special = {"all": "all", "none": "template", "raise": "raise"}[asked.settings.special]
    encoded = chat.encode(tokenizer, request.messages, asked.settings.kind, special=special,  # type: ignore[arg-type]
                          **request.arguments)
    return read_conversation(encoded, request.messages, name)
