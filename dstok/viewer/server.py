"""The view on an address of this machine: `ViewServer`, at http://127.0.0.1:PORT/KEY/.

In: readers of texts by model, a first text or none; then the page's requests, as values of JSON. Out: its answers.
Invariant: it answers only requests from this machine that have the key, a random part of the address, and whose Host
names it. It reads only the page's files, and asks nothing of other addresses. Its memory has a bound, whatever clients
send or do not read: `MAX_CONNECTIONS`, heads of `MAX_HEAD` bytes, bodies of `MAX_BODY`, all of these and answers of
`MAX_HELD`; each has `PATIENCE` seconds. The rest is refused with 431, 413, 503 or 408.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader, RawIOBase
from threading import Condition, Lock
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from dstok._util.files import visible
from dstok.errors import ChatError, DstokError
from dstok.viewer.html import SCRIPTS, STYLES, asset, document, page_of, view_body
from dstok.viewer.reading import Reading, read, read_conversation
from dstok.viewer.sheet import Sheet

MAX_RESULTS, MAX_TOKENS = 6, 4_000_000  # results, and their tokens together; the newest is always kept
MAX_TEXT = 32 << 20  # bytes of a file, characters of a request's text: some eight million tokens
LARGE = 1 << 20  # characters of a file's text that the page's text box can hold
MAX_BODY = 2 * MAX_TEXT  # bytes of a request: JSON has more bytes than the text
MAX_HEAD = 128 << 10  # bytes of a request's head, with what the reader reads ahead
MAX_HELD = 2 * MAX_BODY  # bytes of bodies and answers that are in memory at one time
MAX_CONNECTIONS = 256
MAX_REFUSED = 64  # connections beyond these that get an answer; further ones are closed
PATIENCE = 30.0  # seconds that a client may be silent, and that it has for a head, a body or an answer
FAREWELL = 2.0  # seconds that a refused client may go on sending, and that a request waits for memory
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
           "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}


class GoneError(DstokError):
    """A result that is no longer kept."""


class Asked(NamedTuple):
    """A text, and how it is read: `kind` is "", or the version of a conversation's format."""

    text: str
    model: str
    other: str = ""
    special: str = "all"
    kind: str = ""
    bos: bool = False
    eos: bool = False


ReadText = Callable[[Asked, str], Reading]


class Requests:
    """The answers. `readers`: by name, the readers of texts; `foreign`: those that only stand beside others.

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

        size = len(self.begin.text)
        return {**self.begin._asdict(), "text": self.begin.text if size <= LARGE else None, "size": size,
                "most": MAX_TEXT, "about": self.about,
                "models": [name for name in self.readers if name not in self.foreign], "others": list(self.readers),
                "versions": {version.name: next(iter(version.models), None) for version in versions()}}

    def encode(self, body: Any) -> dict[str, Any]:
        """Tokenizes a text, or with `"text": null` the text of the start. Raises `DstokError`."""
        with self._one:
            sheet = self.sheet(self._asked(body))
        name, results = secrets.token_hex(8), self._results
        with self._lock:
            results[name] = sheet
            while len(results) > MAX_RESULTS or (len(results) > 1 and sum(
                    len(reading) for kept in results.values() for reading in kept.readings) > MAX_TOKENS):
                results.popitem(last=False)
        return {"result": name, "header": sheet.header(), "first": sheet.section(0)}

    def sheet(self, asked: Asked) -> Sheet:
        """A text as the model reads it, and as the other model does, if there is one."""
        return Sheet([self.readers[name](asked, name) for name in (asked.model, asked.other) if name])

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
        values: list[Any] = [body.get(name, Asked._field_defaults.get(name)) for name in Asked._fields]
        asked = Asked(*values)
        if not all(map(isinstance, asked, (str | None, str, str, str, str, bool, bool))):
            raise ValueError("expected a text and its settings")
        if asked.model not in self.readers or asked.model in self.foreign or \
                asked.other not in ("", *self.readers) or asked.special not in ("all", "none", "raise"):
            raise ValueError("expected a model that the page offers")
        if body.get("text") is None:
            return asked._replace(text=self.begin.text)
        if len(asked.text) > MAX_TEXT:
            raise ValueError(f"expected a text of at most {MAX_TEXT >> 20} million characters, found "
                             f"{len(asked.text):,}")
        return asked


def reader_of(load: Callable[[], Any]) -> ReadText:
    """A reader of texts with the tokenizer from `load`. It calls `load` once, on first use."""
    loaded = cache(load)

    def reader(asked: Asked, name: str) -> Reading:
        settings: tuple[Any, ...] = loaded(), asked.special, asked.kind
        tokenizer, special, version = settings
        if not version:
            return read(tokenizer, asked.text, special=special, add_bos=asked.bos, add_eos=asked.eos, name=name)
        from dstok import chat

        try:  # an array of messages, or the body of a request
            value = json.loads(asked.text)
        except (ValueError, RecursionError) as error:
            raise ChatError(f"expected a conversation as JSON: {str(error)[:1].lower()}{str(error)[1:]}") from None
        request = chat.read_request(value if isinstance(value, dict) else {"messages": value})
        encoded = chat.encode(tokenizer, request.messages, version, **request.arguments,
                              special="template" if special == "none" else special)
        return read_conversation(encoded, request.messages, name)

    return reader


class ViewServer(ThreadingHTTPServer):
    """A server of one view. `port` 0: a free one. `serve_forever` runs it; `address` is its address."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, requests: Requests, port: int = 0) -> None:
        self.requests, self.key = requests, secrets.token_urlsafe(16)
        self.connections = self.held = 0
        self.crowded = set[Any]()  # connections that are refused
        self.changed = Condition()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.key}/"

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection, counted until `shutdown_request`."""
        found = super().get_request()
        with self.changed:
            self.connections += 1
        return found

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection gets a thread, for answers or for a refusal."""
        if self.connections > MAX_CONNECTIONS:
            self.crowded.add(request)
        return self.connections <= MAX_CONNECTIONS + MAX_REFUSED

    def shutdown_request(self, request: Any) -> None:
        with self.changed:
            self.connections -= 1
            self.crowded.discard(request)
        super().shutdown_request(request)

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Room for `size` bytes, or for all that there is. Raises `_RefusedError` if others have it for too long."""
        size = min(size, MAX_HELD)
        with self.changed:
            if not self.changed.wait_for(lambda: self.held + size <= MAX_HELD, FAREWELL):
                raise _RefusedError(503, "too many requests at one time: try again later")
            self.held += size
        try:
            yield
        finally:
            with self.changed:
                self.held -= size
                self.changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints an error, without the data sent, unless the client has gone or Ctrl-C has closed the connection."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError) and request.fileno() >= 0:
            print(f"dstok view: internal error: {visible(f'{type(error).__name__}: {error}')}", file=sys.stderr)


class _RefusedError(Exception):
    """A refused request: its status and the reason."""

    def __init__(self, status: int, message: str = "no such page") -> None:
        super().__init__(message)
        self.status = status


class _Incoming(RawIOBase):
    """What a client sends, so many bytes at most, and until when. `begun`: whether a part of a request has come."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.allow(MAX_HEAD)

    def allow(self, most: int, begun: bool = False) -> None:
        self.left, self.begun, self.until = most, begun, monotonic() + PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises `_RefusedError` for too many bytes, or too slow ones; `TimeoutError` if none came."""
        if self.left <= 0:
            raise _RefusedError(431, f"expected a head of at most {MAX_HEAD >> 10} KB, found a larger one")
        self.connection.settimeout(max(0.001, self.until - monotonic()))
        try:
            size = self.connection.recv_into(buffer)
        except TimeoutError:
            if not self.begun:
                raise
            raise _RefusedError(408, f"expected a request within {PATIENCE:g} seconds, found a part of one") from None
        self.left, self.begun = self.left - size, True
        return size


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer's body does not wait until its head has been acknowledged
    requestline, request_version, command = "", protocol_version, ""  # for a refusal before these are read
    refused = False

    def setup(self) -> None:
        """As in the base class, with a reader that has bounds."""
        super().setup()
        self.rfile.close()
        self.incoming = _Incoming(self.connection)
        self.rfile = BufferedReader(self.incoming)

    def handle(self) -> None:
        """As in the base class, except that a client that has gone is not an error."""
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def handle_one_request(self) -> None:
        self.incoming.allow(MAX_HEAD)
        try:
            if self.request in self.server.crowded:
                raise _RefusedError(503, f"expected at most {MAX_CONNECTIONS} connections, found more: try again later")
            super().handle_one_request()
        except _RefusedError as error:
            self.send_error(error.status, str(error))

    def finish(self) -> None:
        """As in the base class. A client that was refused may go on sending: to close at once would drop the answer."""
        with suppress(ConnectionError, TimeoutError):
            super().finish()
        with suppress(OSError):
            if self.refused:
                self.connection.shutdown(socket.SHUT_WR)
                until, dropped = monotonic() + FAREWELL, bytearray(1 << 16)
                while (left := until - monotonic()) > 0:
                    self.connection.settimeout(left)
                    if not self.connection.recv_into(dropped):
                        break

    def version_string(self) -> str:
        return "dstok"

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing: the address holds the key."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers a refusal of http.server itself, such as a bad request line, like our own refusals."""
        self.close_connection = self.refused = True
        self._say(int(code), message or "refused")

    def do_GET(self) -> None:
        try:
            name, query = self._place()
            large = name in ("export", "page")  # of any size
            with self.server.holding(MAX_HELD if large else 0):
                kind, data = self._find(name, query)
                with self.server.holding(0 if large else len(data)):
                    self._send(200, kind, data)
        except _RefusedError as error:
            self.send_error(error.status, str(error))  # the rest of the body is not read
        except (DstokError, ValueError) as error:
            self._say(410 if isinstance(error, GoneError) else 422, str(error))
        except OSError:  # of the connection
            raise
        except Exception as error:
            self._say(500, f"internal error: {type(error).__name__}: {error}")

    do_POST = do_GET  # noqa: N815 (http.server's name)

    def _place(self) -> tuple[str, dict[str, str]]:
        """The path below the key, and the query. Refuses requests from elsewhere."""
        here = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]
        if self.headers.get_all("Host") not in [[host] for host in here]:
            raise _RefusedError(403, "this address is for this machine alone")
        if self.headers.get("Origin") not in (None, *(f"http://{host}" for host in here)):
            raise _RefusedError(403, "asked for by a page from elsewhere")
        parts = urlsplit(self.path)
        empty, _, rest = parts.path.partition("/")
        key, slash, name = rest.partition("/")
        if empty or not slash or not secrets.compare_digest(key.encode(), self.server.key.encode()):
            raise _RefusedError(404)
        return name, {name: values[-1] for name, values in parse_qs(parts.query).items()}

    def _find(self, name: str, query: dict[str, str]) -> tuple[str, bytes]:
        requests = self.server.requests
        if self.command == "POST":
            if name != "encode":
                raise _RefusedError(404)
            return self._encode()
        if name == "":  # the page, which fetches its style and scripts from this server
            links = [f'<link rel="stylesheet" href="{name}">\n' for name in STYLES]
            links += [f'<script src="{name}" defer></script>\n' for name in SCRIPTS]
            head = f'<link rel="icon" href="data:,">\n{"".join(links)}'
            return "text/html", document("dstok view", head, view_body(True)).encode()
        if name in (*STYLES, *SCRIPTS):
            return "text/css" if name.endswith(".css") else "text/javascript", asset(name).encode()
        if name == "start":
            return _json(requests.start())
        if name not in ("section", "piece", "export", "page"):
            raise _RefusedError(404)
        sheet = requests.result(query.get("result", ""))
        try:
            if name == "section":
                return _json(sheet.section(int(query.get("number", ""))))
            if name == "piece":
                return _json(sheet.piece(int(query.get("side", "")), int(query.get("number", ""))))
        except IndexError:
            raise _RefusedError(404, f"no such {name}") from None
        return _json(sheet.export) if name == "export" else ("text/html", page_of(sheet).encode("utf-8", "replace"))

    def _encode(self) -> tuple[str, bytes]:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _RefusedError(411, "expected a body of known length")
        digits = length.lstrip("0") or "0"
        if len(digits) > 18 or int(digits) > MAX_BODY:  # Python refuses to convert thousands of digits
            raise _RefusedError(413, f"expected a body of at most {MAX_BODY >> 20} MB, found a larger one")
        with self.server.holding(int(digits)):
            self.incoming.allow(int(digits) + 1, begun=True)
            data = self.rfile.read(int(digits))
            if len(data) < int(digits):
                raise ConnectionError("the client has gone")
            try:
                body = json.loads(data)
            except (ValueError, RecursionError):
                raise _RefusedError(400, "expected JSON") from None
            return _json(self.server.requests.encode(body))

    def _say(self, status: int, message: str) -> None:
        self._send(status, "application/json", json.dumps({"error": message}).encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(data)),
                            **({"Connection": "close"} if self.close_connection else {})}.items():
            self.send_header(name, value)
        self.connection.settimeout(PATIENCE)  # for all of `sendall`
        self.end_headers()
        self.wfile.write(data)


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
