"""Renders a template in jinja's sandbox, set up as in transformers, with texts that know their origin.

In: the text of a template, messages, the template's variables. Out: `Traced`.
Invariant: the text is the one of transformers' environment, and where that raises, there is a `ChatError`. jinja's
own compiler makes the code. Before it runs, traced text replaces each literal of the template's syntax tree, and a
call that keeps origins replaces `~`. Under `{% autoescape %}` nothing is replaced, so origins are unknown there. The
limits on a template's resources are in `template_process.py`, not here.
Source: transformers 5.24, `_compile_jinja_template`; jinja 3.1.6.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.optimizer import optimize
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from dstok.chat.messages import too_deep
from dstok.chat.traced import Traced, joined, literal, of_message, sampled
from dstok.errors import ChatError

__all__ = ["rendered"]

MAX_TEMPLATE = 1 << 20  # characters of a template itself
MAX_KEPT = 8  # compiled templates that are kept
MAX_REASON = 2000  # characters of an error message


@lru_cache(MAX_KEPT)
def _compiled(text: str) -> Template:
    """The compiled template of a text. Raises `ChatError`."""
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
        raise ChatError(f"expected a jinja template: {_reason(error)}", field="template",
                        reference=type(error).__name__) from None


def rendered(text: str, messages: list[Any] | None, literals: dict[str, str], variables: dict[str, Any]) -> Traced:
    """Renders a template. Without messages it is only compiled, and the text is empty.

    `literals` are variables that count as the template's own text, such as BOS. Raises `ChatError`, and `MemoryError`
    if memory runs out.
    """
    template = _compiled(text)
    if messages is None:
        return Traced()
    try:
        said = [_copied(message, partial(of_message, message=index)) for index, message in enumerate(messages)]
        given = {"messages": said, **_copied(literals, literal), **_copied(variables, lambda text: text)}
    except RecursionError:
        raise too_deep() from None
    try:
        return joined([template.render(given)])
    except MemoryError:
        raise
    except Exception as error:  # the template's own code may raise anything
        raise ChatError(f"the template raises: {_reason(error)}", reference=type(error).__name__) from None


def _reason(error: Exception) -> str:
    return str(error)[:MAX_REASON]


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
    """Replaces a template's literals by traced texts: attributes of its environment, one for each text.

    jinja computes constant expressions as it compiles, and then accepts `0[1:]`, which is an error at run time. So they
    are computed here, at the same point as in jinja, before their literals are replaced.
    """

    def __init__(self, environment: _Environment) -> None:
        self.environment = environment
        self.names: dict[str, str] = {}  # equal literals are one object, as in Python itself
        self.is_folded = False  # whether this is part of an expression that was computed as far as possible

    def _literal(self, text: str, line: int) -> nodes.Expr:
        if text not in self.names:
            self.names[text] = f"literal_{len(self.names)}"
            setattr(self.environment, self.names[text], literal(text))
        return nodes.EnvironmentAttribute(self.names[text], lineno=line)

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """Visits the parts of a node."""
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
        return self._constant(node.value, node)

    def _constant(self, value: Any, node: nodes.Const) -> nodes.Expr:
        """A constant with its texts traced. Its types are exact: markupsafe's text is not a literal."""
        line = node.lineno
        if type(value) is str:
            return self._literal(value, line)
        if type(value) is list:
            return nodes.List([self._constant(item, node) for item in value], lineno=line)
        if type(value) is tuple:
            return nodes.Tuple([self._constant(item, node) for item in value], "load", lineno=line)
        if type(value) is dict:
            return nodes.Dict([nodes.Pair(self._constant(key, node), self._constant(item, node), lineno=line)
                               for key, item in value.items()], lineno=line)
        return nodes.Const(value, lineno=line)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        visited: nodes.Expr = self.generic_visit(node)
        if not isinstance(visited, nodes.Concat):
            return visited
        work = nodes.EnvironmentAttribute("concatenated", lineno=node.lineno)
        return nodes.Call(work, visited.nodes, [], None, None, lineno=node.lineno)

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
        return sampled(made) if type(made) is Traced else made


class _Dict:
    """`dict` in a template: it can be called and has no attribute of the class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


class _Namespace(Namespace):
    """`namespace` in a template: no name begins with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that `namespace(self=1)` has an attribute of that name
        self, given = args[0], dict(*args[1:], **kwargs)
        for name in given:
            _Namespace._check(name)
        Namespace.__init__(self, given)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._check(name)
        super().__setitem__(name, value)

    @staticmethod
    def _check(name: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError("Chat templates cannot store underscore-prefixed attributes on a namespace, but got "
                                f"{name!r}. Please rename the attribute.")


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with the functions that join traced texts."""

    concat = staticmethod(joined)  # jinja's hook for joining a template's output

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, LoopControlExtension])
        self.filters["tojson"] = _tojson
        self.globals |= {"raise_exception": _raise, "strftime_now": _now, "dict": _Dict(), "namespace": _Namespace}

    @staticmethod
    def concatenated(*values: object) -> Traced:
        """The operator `~`."""
        return joined(map(str, values))


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)
