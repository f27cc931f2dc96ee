"""A model's own jinja template, rendered in a process with limits. Extra: `pip install "dstok[chat]"`.

In: the text of a template, the tokens of its tokenizer, messages. Out: `Rendered`, as for the built-in versions.
Invariant: the text equals that of transformers' environment (5.24: a last message is left open at a sentinel after its
content). A token is the template's own only if all of its characters are literals of the template, or roles between
two of these; where a filter loses the origin of one, there is a `ChatError`. Unless the caller trusts it, a template is
rendered in another process, which is kept for later renders: at worst that process ends. A request keeps each value
exactly, or a `ChatError` names its place. An answer may be forged, so its length is limited, and it is read as JSON of
one shape.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import json
import marshal
import mmap
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from dstok.errors import ChatError

try:
    import jinja2
    import markupsafe
except ModuleNotFoundError:
    raise ChatError('templates need jinja2: pip install "dstok[chat]"') from None

import numpy as np

from dstok._util.arguments import explained
from dstok.chat import template_worker
from dstok.chat.messages import Message, as_messages, as_tools, check, shown, too_deep
from dstok.chat.template_worker import FIXED, ROLE, Origin, OriginRun, Traced, merged, parts_of, upto
from dstok.chat.writer import Rendered, Writer, rendered_of

if TYPE_CHECKING:
    from dstok.protocols import TokenizerProtocol

__all__ = ["Template"]

OLDEST = (3, 1, 6)  # of jinja2: templates can leave the sandbox of earlier ones
INSTALLED = importlib.metadata.version("jinja2")
if tuple(map(int, re.findall("[0-9]+", INSTALLED)[:3])) < OLDEST:
    raise ChatError(f'templates need jinja2 3.1.6 or a later one, found {INSTALLED}: pip install -U "dstok[chat]"')


class Template:
    """A template of a model's files: `render`, `encode` and the others take it in place of a version.

    `tokenizer` tells which texts are tokens, and BOS and EOS unless they are given. The template is rendered in
    another process, with limits of memory, time and stack; `trusted=True` renders it in this process without limits.
    Raises `ChatError` for an invalid template.

    >>> import dstok
    >>> from dstok import chat
    >>> text = "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}"
    >>> template = Template(text, dstok.load("deepseek-v3"))
    >>> chat.encode(dstok.load("deepseek-v3"), [{"role": "user", "content": "Hi<｜User｜>"}], template).ids
    [0, 128803, 23166, 30, 28217, 6756, 28217, 32]
    """

    name = "template"

    @explained
    def __init__(
        self, text: str, tokenizer: TokenizerProtocol, *, bos_token: str | None = None, eos_token: str | None = None,
        trusted: bool = False,
    ) -> None:
        self.text, self.trusted = check(text, str, "a jinja template", field="template"), trusted
        tokens = sorted(tokenizer.added_tokens, key=len, reverse=True)
        self._token = re.compile(f"({'|'.join(map(re.escape, tokens)) or '(?!)'})")
        rows = ("bos_token", bos_token, tokenizer.bos_id), ("eos_token", eos_token, tokenizer.eos_id)
        self.edges = {name: given if given is not None else "" if id is None else tokenizer.id_to_token(id)
                      for name, given, id in rows}
        self._run(None, {})

    def render(
        self, messages: Any, *, tools: Any = None, add_generation_prompt: bool | None = None,
        continue_final_message: bool = False, **options: Any,
    ) -> Rendered:
        """The text of a conversation, as from `dstok.chat.render`; `options` are the template's variables.

        Raises `ChatError`, also for errors of the template and for limits that it exceeds.
        """
        writer = Writer()
        self.write(as_messages(messages), writer, tools=tools, add_generation_prompt=add_generation_prompt,
                   continue_final_message=continue_final_message, **options)
        return rendered_of(writer.parts)

    def read(self, messages: Any, first: int = 0) -> list[Message]:
        """Messages for `write`; `first` is the index of the first one. Raises `ChatError`."""
        return as_messages(messages, first)

    def write(
        self, messages: list[Message], writer: Writer, *, tools: Any = None, add_generation_prompt: bool | None = None,
        continue_final_message: bool = False, **options: Any,
    ) -> None:
        """Writes the whole conversation. Arguments and errors as of `render`."""
        given, sentinel = messages, ""
        if continue_final_message:
            sentinel = secrets.token_hex(16)  # no message can contain it
            if add_generation_prompt:
                raise ChatError("expected continue_final_message or add_generation_prompt, found both",
                                field="continue_final_message", reference="ValueError")
            content = messages[-1].get("content") if messages else None
            check(content, str, "a last message with a text to continue", len(messages) - 1 if messages else None,
                  "continue_final_message", "ValueError")
            given = [*messages[:-1], {**messages[-1], "content": f"{content}{sentinel} "}]
        text = self._run(given, {"tools": as_tools(tools) or None, "documents": None,
                                 "add_generation_prompt": bool(add_generation_prompt), **options})
        if sentinel:
            at = text.rfind(sentinel)
            if at < 0 or messages[-1]["content"].strip() not in text:
                raise ChatError("the template does not write the last message as it is", len(messages) - 1,
                                "continue_final_message", "ValueError")
            # If the template cut off the blank after the sentinel, the blanks before it go too.
            is_stripped = not text.startswith(" ", at + len(sentinel))
            text = upto(text, at)
            text = upto(text, len(text.rstrip())) if is_stripped else text
        self.write_traced(text, (messages, tools, options), writer)

    def _run(self, messages: list[Message] | None, variables: dict[str, Any]) -> Traced:
        """The text of the messages; without messages the template is only compiled."""
        if self.trusted:
            try:
                return template_worker.rendered(self.text, messages, self.edges, variables)
            except MemoryError:
                raise _refused("the template takes more memory than there is") from None
        given = {"text": self.text, "messages": messages, "literals": self.edges, "variables": variables}
        try:
            request = marshal.dumps(_plain(given, ()))
        except ChatError:
            raise
        except (RecursionError, ValueError):  # marshal has a limit of its own
            raise too_deep() from None
        result = _children.ask(request, len(messages or ()))
        if isinstance(result, ChatError):
            raise result
        return result

    def write_traced(self, text: Traced, given: Any, writer: Writer) -> None:
        """Writes a text of the template that was rendered with the values `given`, none of which it may trust."""
        at, held = 0, None  # the texts that the arguments hold, in JSON
        for size, (own, message, sampled) in self._with_roles(text):
            part = text[at : at + size]
            at += size
            if own:
                pieces = enumerate(self._token.split(part))
                writer.form([(piece, number % 2 > 0) for number, piece in pieces if piece], message, "format", sampled)
                continue
            if token := self._token.search(part):
                try:
                    held = held or json.dumps(given, ensure_ascii=False, default=str)
                except (ValueError, RecursionError):
                    raise ChatError("expected options, found one that holds itself or is nested too deeply") from None
                if json.dumps(token.group(), ensure_ascii=False)[1:-1] not in held:
                    raise _refused(f"the template makes the token {token.group()!r} in a way that cannot be followed")
            writer.text(part, message, "content", sampled)

    def _with_roles(self, text: Traced) -> list[OriginRun]:
        """The parts. A role counts as the template's own if it lies inside a token that begins and ends in literals.

        GLM-4 writes `<|{{ message.role }}|>`.
        """
        found, at = merged(parts_of(text)), 0
        sizes = [size if origin.own == FIXED else 0 for size, origin in found] + [0]
        for number, (size, origin) in enumerate(found):
            if origin.own == ROLE:
                tokens = self._token.finditer(text, at - sizes[number - 1], at + size + sizes[number + 1])
                inside = any(token.start() < at and token.end() > at + size for token in tokens)
                found[number] = size, Origin(FIXED, -1, origin.sampled) if inside else origin._replace(own=0)
            at += size
        return merged(found)


SCALARS = frozenset([str, int, float, bool, type(None)])
EXACT: tuple[tuple[type, Any], ...] = ((str, str.__str__), (int, int.__int__), (float, float.__float__))


def _plain(value: Any, place: tuple[Any, ...]) -> Any:
    """The value in plain types. `place`: what holds it, and the key there. Raises `ChatError` for other values."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, Mapping):
        return {_plain(key, (place, f".{key}")): _plain(item, (place, f".{key}")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(item, (place, f"[{index}]")) for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.generic) and type(value.item()) in SCALARS:
        return value.item()
    for kind, exact in EXACT:
        if isinstance(value, kind):
            return exact(value)
    where = ""
    while place:
        place, key = place
        where = key + where
    raise _refused(f"expected what JSON has, found {shown(value)} at ${where}: pass it as text, or trust the template "
                   "(trusted=True)")


MOST_SAID = 4000  # characters of an error


def _read_answer(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise _refused(TOOK_OVER) from None
    return answer if isinstance(answer, dict) else {}


def _text_of(answer: dict[str, Any], messages: int) -> Traced | ChatError:
    """The text of an answer, or its error. Raises `ChatError` for an answer of another shape.

    The parts of a text are four numbers each: length, is it the template's own or a role, message, is it sampled.
    """
    text, numbers, said = answer.get("text"), answer.get("parts"), [*map(answer.get, ("error", "field", "class"))]
    if isinstance(text, str) and isinstance(numbers, list) and {*map(type, numbers)} <= {int} and len(numbers) % 4 == 0:
        rows = [*zip(*[iter(numbers)] * 4)]
        if sum(numbers[::4]) == len(text) and all(
                size > 0 and -1 <= message < messages and 0 <= own <= ROLE and 0 <= is_sampled <= 1
                for size, own, message, is_sampled in rows):
            return Traced(text, [(size, Origin(own, message, is_sampled == 1))
                                 for size, own, message, is_sampled in rows])
    elif {*map(type, said)} == {str}:
        message, field, reference = (str(one)[:MOST_SAID] for one in said)
        return ChatError(message, field=field, reference=reference)
    raise _refused(TOOK_OVER)


# Finds dstok's modules and jinja2's without running an `__init__.py` of dstok.
PROGRAM = """\
import sys, types
memory, root, *folders = sys.argv[1:]
for name, path in (("dstok", root), ("dstok.chat", root + "/chat")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
sys.path += folders
from dstok.chat import template_worker
template_worker.main(int(memory))
"""
MEMORY = 256  # MB for a render, beside the interpreter
SECONDS = 5  # of the processor
WALL = 4  # times as many seconds on the clock: another program may have the processor
TEXT = 16 << 20  # bytes of an answer
PER_BYTE = 24  # extra bytes of memory for each byte of a request: several texts of it, four bytes a character
STARTING = 60  # seconds for a process to start
MOST = 4  # processes
LOOK = 0.05  # seconds between looks at a process's memory, as macOS does not limit it
OWN = 64  # MB of memory for the interpreter
TOOK_OVER = "the template took over the process that it was rendered in"
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "TZDIR")  # for Python's start, and the time zone


class _Children:
    """The processes: the idle ones, and all of them."""

    def __init__(self) -> None:
        self.idle: list[_Child] = []
        self.all: set[_Child] = set()
        self.places = BoundedSemaphore(MOST)

    def ask(self, request: bytes, messages: int) -> Traced | ChatError:
        """The answer of a process. Raises `ChatError` for a limit; the process has then ended."""
        with self.places:
            child = self._take()
            keep = False
            try:
                answer = child.render(request)
                result = _text_of(answer, messages)
                keep = answer.get("spent") is False
            finally:  # after a limit or Ctrl-C the process's state is unknown
                if keep:
                    self.idle.append(child)
                else:
                    self.all.discard(child)
                    child.end()
            return result

    def _take(self) -> _Child:
        """Takes an idle process, or starts one. Skips a process that something else has ended."""
        with suppress(IndexError):
            while (child := self.idle.pop()).process.poll() is not None:
                self.all.discard(child)
                child.end()
            return child
        child = _Child()
        self.all.add(child)
        return child

    def end(self) -> None:
        while self.all:
            self.all.pop().end()


class _Child:
    """A process, and the socket to it."""

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise _refused("templates of strangers are not rendered on Windows, which cannot limit them: trust the "
                           "template (trusted=True) or render it elsewhere")
        folders = dict.fromkeys(str(Path(module.__file__ or "").parents[1]) for module in (jinja2, markupsafe))
        command = [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(MEMORY << 20),
                   str(Path(template_worker.__file__).parents[1]), *folders]
        variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        self.socket, theirs = socket.socketpair()
        not_started = _refused(f"templates of strangers are rendered in a process of their own, and {sys.executable!r} "
                               "does not start one: trust the template (trusted=True)")
        try:
            with theirs:
                self.process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL, env=variables)
        except (OSError, TypeError, ValueError):  # there is no `sys.executable`, or no process can be started
            self.socket.close()
            raise not_started from None
        try:
            if self._ask(b"", STARTING, MEMORY, TEXT) != {"python": sys.version}:
                raise not_started
        except BaseException:
            self.end()
            raise

    def render(self, request: bytes) -> dict[str, Any]:
        """Its answer to a request. Raises `ChatError` for a limit; limits are higher for a longer request."""
        size = len(request)
        memory, seconds, most = MEMORY + (size * PER_BYTE >> 20), SECONDS + (size >> 20), TEXT + 8 * size
        limits = marshal.dumps((most, memory, seconds))
        answer = self._ask(limits + marshal.dumps(request), seconds * WALL, memory, most)
        if answer is None:
            code = None
            with suppress(subprocess.TimeoutExpired):
                code = self.process.wait(1)
            if code == -signal.SIGXCPU:
                raise _needed(f"{seconds} seconds")
            how = "" if code is None else f"exit code {code}" if code >= 0 else signal.Signals(-code).name
            raise _refused(f"the template ended the process that it was rendered in ({how})" if how else TOOK_OVER)
        if "limit" in answer:
            raise _needed(f"{memory} MB" if answer["limit"] == "memory" else f"{most:,} bytes of text")
        return answer

    def _ask(self, request: bytes, seconds: int, memory: int, most: int) -> dict[str, Any] | None:
        """Sends a request, and reads a line; None if the process has ended. Raises `ChatError`."""
        until, data = time.monotonic() + seconds, bytearray()
        try:
            self.socket.settimeout(seconds)
            self.socket.sendall(request)
            while not data.endswith(b"\n"):
                left = until - time.monotonic()
                if left <= 0:
                    raise _needed(f"{seconds} seconds")
                self.socket.settimeout(min(left, LOOK))
                with suppress(TimeoutError):
                    part = self.socket.recv(1 << 20)
                    if not part:
                        return None
                    data += part
                    if len(data) > most:
                        raise _needed(f"{most:,} bytes of text")
                    continue
                if _resident(self.process.pid) > memory + OWN << 20:
                    raise _needed(f"{memory} MB")
        except TimeoutError:
            raise _needed(f"{seconds} seconds") from None
        except OSError:  # it ended before it read the whole request
            return None
        return _read_answer(bytes(data))

    def end(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()


def _resident(pid: int) -> int:
    """The memory of a process in bytes."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * mmap.PAGESIZE
    except OSError:
        size = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False).stdout
        return int(size or 0) << 10


def _refused(message: str) -> ChatError:
    return ChatError(message, field="template")


def _needed(what: str) -> ChatError:
    return _refused(f"the template needed more than {what}: trusted=True renders it without limits")


_children = _Children()


def _forget() -> None:
    """After a fork: leaves the processes to the parent, which still uses them."""
    global _children
    for child in _children.all:
        child.socket.close()
        child.process.returncode = 0  # so that nothing waits for it
    _children = _Children()


atexit.register(lambda: _children.end())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
