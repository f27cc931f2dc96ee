"""Renders a template in jinja's sandbox, with texts that know their origin; and the program that does it for strangers.

In: the text of a template, messages, the template's variables. Out: `Traced`, a `str` that keeps its parts through `+`,
through `joined`, and where its ends are stripped; any other operation gives a text of unknown origin.
Invariant: the text is the one of transformers' environment (5.24, `_compile_jinja_template`; jinja 3.1.6), and where
that raises, there is a `ChatError`. Traced text replaces each literal of the syntax tree. A template cannot see the
parts: `Traced` has no public name beyond those of `str`, and the sandbox hides names with an underscore. As a program
(`main`), this answers requests under the system's limits, and imports no module of dstok that loads the compiled core.
"""

from __future__ import annotations

import json
import marshal
import mmap
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from itertools import groupby
from typing import IO, Any, NamedTuple

from jinja2 import TemplateError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.optimizer import optimize
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from dstok.chat.messages import too_deep
from dstok.errors import ChatError

OTHER, FIXED, ROLE = range(3)


class Origin(NamedTuple):
    """The origin of a text: FIXED for a literal of the template, ROLE for a role; its message or -1; is it sampled."""

    own: int
    message: int
    sampled: bool


OriginRun = tuple[int, Origin]  # how many characters, and their origin
UNKNOWN = Origin(OTHER, -1, False)
LITERAL = Origin(FIXED, -1, False)


class Traced(str):
    """A text with its parts, whose lengths add up to its own. Without parts, as from `format`, it is of no origin."""

    __slots__ = ("_parts",)
    _parts: tuple[OriginRun, ...]

    def __new__(cls, text: str = "", parts: Iterable[OriginRun] | None = None) -> Traced:
        made = super().__new__(cls, text)
        made._parts = ((len(text), UNKNOWN),) if parts is None else tuple(parts)
        return made

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        if type(other) is not str and type(other) is not Traced:  # markupsafe's text has a `+` of its own
            return NotImplemented
        return Traced(str.__add__(self, other), (*self._parts, *parts_of(other)))

    def __radd__(self, other: str) -> str:
        if type(other) is not str:
            return NotImplemented
        return Traced(str.__add__(other, self), (*parts_of(other), *self._parts))

    def strip(self, chars: str | None = None, /) -> Traced:
        """As of `str`. Jinja's filter `trim` calls it."""
        return self.lstrip(chars).rstrip(chars)

    def lstrip(self, chars: str | None = None, /) -> Traced:
        kept = str.lstrip(self, chars)
        return Traced(kept, _first(reversed(self._parts), len(kept))[::-1])

    def rstrip(self, chars: str | None = None, /) -> Traced:
        return upto(self, len(str.rstrip(self, chars)))


def parts_of(text: str) -> tuple[OriginRun, ...]:
    """The parts of a text. A text that is not traced has a single part of unknown origin."""
    return text._parts if type(text) is Traced else ((len(text), UNKNOWN),)  # noqa: SLF001 (no method: see above)


def literal(text: str) -> Traced:
    """A literal of a template."""
    return Traced(text, ((len(text), LITERAL),))


def joined(texts: Iterable[str]) -> Traced:
    """The texts as one. Raises `TypeError` for anything but text, as `"".join` does."""
    items = list(texts)
    return Traced("".join(items), [part for item in items for part in parts_of(item)])


def upto(text: Traced, end: int) -> Traced:
    """The text before `end`."""
    return Traced(text[:end], _first(parts_of(text), end))


def _first(parts: Iterable[OriginRun], size: int) -> list[OriginRun]:
    """The parts of the first `size` characters."""
    kept = list[OriginRun]()
    for length, origin in parts:
        if size <= 0:
            break
        kept.append((min(length, size), origin))
        size -= length
    return kept


def merged(parts: Sequence[OriginRun]) -> list[OriginRun]:
    """The parts that are not empty; neighbours of one origin become one."""
    runs = groupby([part for part in parts if part[0]], lambda part: part[1])
    return [(sum(size for size, _ in run), origin) for origin, run in runs]


MAX_TEMPLATE = 1 << 20  # characters of a template itself
MAX_KEPT = 8  # compiled templates that are kept
MAX_REASON = 2000  # characters of an error message


@lru_cache(MAX_KEPT)
def _compiled(text: str) -> Template:
    if len(text) > MAX_TEMPLATE:
        raise ChatError(f"expected a template of at most {MAX_TEMPLATE:,} characters, found {len(text):,}",
                        field="template")
    environment = _Environment()
    try:
        tree = _Tracing(environment).visit(environment.parse(text))
        return environment.from_string(tree.set_environment(environment))
    except MemoryError:
        raise
    except Exception as error:  # from the template, or from Python's compiler for too deep nesting
        raise ChatError(f"expected a jinja template: {str(error)[:MAX_REASON]}", field="template",
                        reference=type(error).__name__) from None


def rendered(text: str, messages: list[Any] | None, literals: dict[str, str], variables: dict[str, Any]) -> Traced:
    """Renders a template; without messages it is only compiled. `literals` are its own text. Raises `ChatError`."""
    template = _compiled(text)
    if messages is None:
        return Traced()

    def of_message(text: str, message: int, own: int = OTHER) -> Traced:
        return Traced(text, ((len(text), Origin(own, message, False)),))

    try:
        said = [_copied(message, partial(of_message, message=index)) for index, message in enumerate(messages)]
        for index, message in enumerate(said):
            if isinstance(message, dict) and isinstance(message.get("role"), str):
                message["role"] = of_message(message["role"], index, ROLE)
        given = {"messages": said, **_copied(literals, literal), **_copied(variables, lambda text: text)}
    except RecursionError:
        raise too_deep() from None
    try:
        return joined([template.render(given)])
    except MemoryError:
        raise
    except Exception as error:  # the template's own code may raise anything
        raise ChatError(f"the template raises: {str(error)[:MAX_REASON]}", reference=type(error).__name__) from None


def _copied(value: Any, traced: Callable[[str], str]) -> Any:
    """A value with its texts traced. Lists are copied, because jinja's filter `indent` adds to its list."""
    if isinstance(value, str):
        return traced(value)
    if isinstance(value, dict):
        return {key: _copied(item, traced) for key, item in value.items()}
    if type(value) is tuple:
        return tuple([_copied(item, traced) for item in value])
    return [_copied(item, traced) for item in value] if isinstance(value, list) else value


FOLDED = (nodes.BinExpr, nodes.Call, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Filter, nodes.Getattr,
          nodes.Getitem, nodes.Test, nodes.UnaryExpr)  # jinja's compiler computes these where it can


class _Tracing(NodeTransformer):
    """Replaces a template's literals by traced texts, attributes of its environment, once constants are computed."""

    def __init__(self, environment: _Environment) -> None:
        self.environment, self.names = environment, dict[str, str]()  # equal literals are one object, as in Python
        self.is_folded = False  # whether this is part of an expression that was computed as far as possible

    def _literal(self, text: str, line: int) -> nodes.Expr:
        if text not in self.names:
            self.names[text] = f"literal_{len(self.names)}"
            setattr(self.environment, self.names[text], literal(text))
        return nodes.EnvironmentAttribute(self.names[text], lineno=line)

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if self.is_folded or not isinstance(node, FOLDED):
            return super().generic_visit(node, *args, **kwargs)
        self.is_folded = True
        try:
            return self.visit(optimize(node, self.environment))
        finally:
            self.is_folded = False

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 (jinja's names)
        node.nodes = [self._written(child) for child in node.nodes]
        return node

    def _written(self, child: nodes.Expr) -> Any:
        """The output of a `print` node: for a constant its text."""
        try:
            return self._literal(str(child.as_const(nodes.EvalContext(self.environment))), child.lineno)
        except MemoryError:
            raise
        except Exception:  # not a constant, or an error that jinja leaves to run time
            return self.visit(child)

    def visit_Const(self, node: nodes.Const) -> nodes.Expr:  # noqa: N802
        """A constant with its texts traced. Its types are exact: markupsafe's text is not a literal."""
        def traced(value: Any) -> nodes.Expr:
            if type(value) is str:
                return self._literal(value, line)
            if type(value) is list:
                return nodes.List([*map(traced, value)], lineno=line)
            if type(value) is tuple:
                return nodes.Tuple([*map(traced, value)], "load", lineno=line)
            if type(value) is dict:
                return nodes.Dict([nodes.Pair(traced(key), traced(item), lineno=line) for key, item in value.items()],
                                  lineno=line)
            return nodes.Const(value, lineno=line)

        line = node.lineno
        return traced(node.value)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        visited: nodes.Expr = self.generic_visit(node)
        work = nodes.EnvironmentAttribute("concatenated", lineno=node.lineno)
        return nodes.Call(work, visited.nodes, [], None, None, lineno=node.lineno) if isinstance(
            visited, nodes.Concat) else visited

    def visit_ScopedEvalContextModifier(self, node: nodes.Node) -> nodes.Node:  # noqa: N802
        return node  # `{% autoescape %}`: jinja escapes text that is not a literal


class _Generation(Extension):
    """`{% generation %}`: marks the text that the model would have written."""

    tags = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("generated"), [], [], body).set_lineno(line)

    def generated(self, caller: Callable[[], str]) -> str:
        made = caller()
        if type(made) is not Traced:
            return made
        return Traced(str.__str__(made), [(size, origin._replace(sampled=True)) for size, origin in parts_of(made)])


class _Dict:
    """`dict` in a template: it can be called and has no attribute of the class."""

    __call__: Any = staticmethod(dict)
    fromkeys = staticmethod(dict.fromkeys)


class _Namespace(Namespace):
    """`namespace` in a template: no name begins with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that `namespace(self=1)` has an attribute of that name
        Namespace.__init__(args[0])
        for name, value in dict(*args[1:], **kwargs).items():
            args[0][name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError("Chat templates cannot store underscore-prefixed attributes on a namespace, but got "
                                f"{name!r}. Please rename the attribute.")
        super().__setitem__(name, value)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with the functions that join traced texts."""

    concat = staticmethod(joined)  # jinja's hook for joining a template's output

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, LoopControlExtension])
        self.filters["tojson"] = lambda value, ensure_ascii=False, indent=None, separators=None, sort_keys=False: (
            json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys))
        self.globals |= {"raise_exception": _raise, "strftime_now": lambda form: datetime.now().strftime(form),
                         "dict": _Dict(), "namespace": _Namespace}

    @staticmethod
    def concatenated(*values: object) -> Traced:
        return joined(map(str, values))


def _raise(message: str) -> None:
    raise TemplateError(message)


STACK = 8 << 20


def main(memory: int) -> None:
    """Greets on file 0, a socket, then answers until the other end closes. `memory`: bytes that a render may take.

    A request is two marshalled values: its limits (bytes of the answer, MB of memory, seconds) and what is rendered. An
    answer is a line of JSON: a template that takes over this process could write it.
    """
    import resource  # not on Windows, where only the functions above are used

    def limit(kind: int, wanted: int) -> None:
        """Sets a soft limit, unless the process started with a lower one. macOS refuses some."""
        hard = resource.getrlimit(kind)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))

    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_STACK, STACK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter handles Ctrl-C
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a starter may have blocked SIGXCPU
    taken, requests = _address_space(), sys.stdin.buffer
    limit(resource.RLIMIT_AS, taken + memory)
    with open(requests.fileno(), "wb", closefd=False) as answers, suppress(EOFError):
        answers.write(json.dumps({"python": sys.version}).encode() + b"\n")
        while True:
            answers.flush()
            most, megabytes, seconds = marshal.load(requests)
            limit(resource.RLIMIT_AS, taken + (megabytes << 20))
            limit(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)
            answer = _answer(requests)
            answer["spent"] = _address_space() - taken > memory // 2  # the rest may be too little for the next one
            try:
                data = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")
            except MemoryError:
                data = b'{"limit": "memory"}'
            answers.write(data if len(data) < most else b'{"limit": "text"}')
            answers.write(b"\n")


def _address_space() -> int:
    """The bytes of address space that the interpreter takes; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * mmap.PAGESIZE
    except OSError:
        return 0


def _answer(requests: IO[bytes]) -> dict[str, Any]:
    try:
        text = rendered(**marshal.loads(marshal.load(requests)))  # bytes: far fewer reads than their values
        parts = [number for size, origin in merged(parts_of(text)) for number in (size, *map(int, origin))]
        return {"text": text, "parts": parts}
    except ChatError as error:
        return {"error": error.message, "field": error.field, "class": error.reference}
    except MemoryError:
        return {"limit": "memory"}
