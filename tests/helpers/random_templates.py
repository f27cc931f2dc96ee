"""Random jinja templates, small ones, of everything that jinja has.

In: a source of chance. Out: the text of a template; about half of them render. Invariant: no text of these has an
address of an object or depends on anything but the variables: messages, n, t, bos_token.
"""

from __future__ import annotations

from random import Random

FILTERS = {  # with arguments that are of some use
    "abs": [""], "attr": ["('x')", "('__class__')", "('role')"], "batch": ["(2)", "(2, 'x')"], "capitalize": [""], "center": ["(9)"], "count": [""],
    "d": ["('x')", "(messages[0].role, true)"], "default": ["('x')"], "dictsort": ["", "(false, 'value')"], "e": [""], "escape": [""],
    "filesizeformat": [""], "first": [""], "float": ["", "('x')"], "forceescape": [""], "format": ["(1)", "('a', 2)"], "groupby": ["('role')"],
    "indent": ["", "(2, true)", "('> ')"], "int": ["", "(7, 16)"], "items": [""], "join": ["", "(', ')", "(messages[0].role)", "('-', 'role')"], "last": [""],
    "length": [""], "list": [""], "lower": [""], "map": ["('upper')", "(attribute='role')", "('replace', 'a', 'b')"], "max": [""], "min": [""],
    "pprint": [""], "reject": ["('none')", ""], "rejectattr": ["('role', 'eq', 'user')"], "replace": ["('a', 'b')", "('a', messages[0].role, 1)"],
    "reverse": [""], "round": ["", "(1, 'floor')"], "safe": [""], "select": ["('string')", ""], "selectattr": ["('role', 'equalto', 'user')", "('content')"],
    "slice": ["(2)"], "sort": ["", "(true, true)", "(attribute='role')"], "string": [""], "striptags": [""], "sum": ["", "(start='a')", "(start=[])"],
    "title": [""], "tojson": ["", "(indent=1)", "(ensure_ascii=true)", "(separators=(',', ':'), sort_keys=true)"], "trim": ["", "('a')"],
    "truncate": ["(5)", "(5, true, '..')"], "unique": ["", "(true)", "(attribute='role')"], "upper": [""], "urlencode": [""], "urlize": ["", "(9)"],
    "wordcount": [""], "wordwrap": ["(5)"], "xmlattr": ["", "(false)"],
}
LAZY = {"batch", "items", "map", "reject", "rejectattr", "reverse", "select", "selectattr", "slice", "unique"}  # as text an address
TESTS = [
    "!=", "<", "<=", "==", ">", ">=", "boolean", "callable", "defined", "divisibleby", "eq", "equalto", "escaped", "even", "false", "filter", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sameas", "sequence",
    "string", "test", "true", "undefined", "upper",
]
OF_ONE = {"boolean", "callable", "defined", "escaped", "even", "false", "filter", "float", "integer", "iterable", "lower", "mapping", "none", "number",
          "odd", "sequence", "string", "test", "true", "undefined", "upper"}
METHODS = {
    "capitalize": "", "casefold": "", "center": "7, '*'", "count": "'a'", "encode": "", "endswith": "'a'", "expandtabs": "4", "find": "'a'",
    "format": "1, 'b', a=2", "format_map": "{'a': 'é'}", "index": "'a'", "isalnum": "", "isalpha": "", "isascii": "", "isdecimal": "", "isdigit": "",
    "isidentifier": "", "islower": "", "isnumeric": "", "isprintable": "", "isspace": "", "istitle": "", "isupper": "", "join": "['a', 'b']", "ljust": "5",
    "lower": "", "lstrip": "", "maketrans": "'a', 'b'", "partition": "' '", "removeprefix": "'a'", "removesuffix": "'a'", "replace": "'a', 'bb'",
    "rfind": "'a'", "rindex": "'a'", "rjust": "5, '0'", "rpartition": "','", "rsplit": "none, 1", "rstrip": "'a '", "split": "','", "splitlines": "true",
    "startswith": "('a', 'B')", "strip": "", "swapcase": "", "title": "", "translate": "{97: 'x'}", "upper": "", "zfill": "5",
}
STATEMENTS = ["if", "for", "set", "macro", "call", "filter", "generation", "raw", "with", "block", "autoescape"]
TEXTS = ["''", "'a'", "'a b,é'", "'{} {1:>4} {a}'", "'%s'", "'%5.1f|%r'", "'<b>'", "'a\\nb'", "'ｘ１'", "'3'", "'{0!r:^9}'", "'%%'", "'{a.upper}'", "'{0[0]}'"]
VALUES = [
    "n", "t", "none", "true", "1.5", "-7", "[]", "[1, 'a']", "{'a': 1, 'b': 'é'}", "messages", "messages[0]", "tools", "bos_token", "nothing", "('a', 'b')",
    "range(3)", "messages[2].tool_calls", "messages[2].tool_calls[0].function.arguments",
]
MESSAGES = ["messages[0].content", "messages[1]['content']", "messages[2].reasoning_content", "messages[-1].content", "messages[3].content", "messages[0].role"]
OPERATORS = ["+", "~", "*", "%", "==", "in", "<", "and", "or", "-", "//", "not in"]


def random_text(chance: Random, depth: int) -> str:
    """An expression that is a text in most cases."""
    kind = chance.randrange(9) if depth else chance.randrange(2)
    if kind < 2:
        return chance.choice(TEXTS if kind else MESSAGES)
    inner = random_text(chance, depth - 1)
    if kind == 2:
        return f"({inner} {chance.choice('+~')} {random_text(chance, depth - 1)})"
    if kind in (3, 4):
        name = chance.choice([*METHODS])
        return f"({inner}).{name}({METHODS[name]})"
    if kind == 5:
        return f"({inner})[{chance.choice(['1:', ':-1', '::-1', '0', '-1', '9', ':2', '1:3'])}]"
    if kind == 6:
        return f"({inner} if {random_value(chance, depth - 1)} else {random_text(chance, depth - 1)})"
    if kind == 7:
        return f"({inner} % {random_value(chance, depth - 1)})"
    return _filtered(chance, inner)


def _filtered(chance: Random, inner: str) -> str:
    name = chance.choice([*FILTERS])
    rest = " | list" if name in LAZY else ""
    return f"({inner} | {name}{chance.choice(FILTERS[name])}{rest})"


def random_value(chance: Random, depth: int) -> str:
    """Any expression."""
    kind = chance.randrange(7) if depth else 0
    if kind == 0:
        return chance.choice(VALUES)
    if kind == 1:
        return random_text(chance, depth)
    inner = random_value(chance, depth - 1) if chance.random() < 0.6 else random_text(chance, depth - 1)
    if kind == 2:
        return _filtered(chance, inner)
    if kind == 3:
        other = random_value(chance, depth - 1)
        return f"({inner} {chance.choice(OPERATORS)} {other})"
    if kind == 4:
        name = chance.choice([name for name in TESTS if name.isalpha()])
        argument = "" if name in OF_ONE else f"({random_value(chance, depth - 1)})"
        return f"({inner} is {chance.choice(['', 'not '])}{name}{argument})"
    if kind == 5:
        return f"[{inner}, {random_text(chance, depth - 1)}]"
    return f"{{{random_text(chance, depth - 1)}: {inner}}}"


def random_template(chance: Random, depth: int = 3) -> str:
    """A template of some statements."""
    return "".join(_statement(chance, depth) for _ in range(chance.randint(1, 3)))


def _statement(chance: Random, depth: int) -> str:
    if depth < 2 or chance.random() < 0.4:
        name = chance.choice(["print", "print", "data"])
        return chance.choice(["<x> ", "\n", "é", "  a\n"]) if name == "data" else f"{{{{ {random_text(chance, depth)} }}}}"
    inner, value = _statement(chance, depth - 1), random_value(chance, depth - 1)
    minus = chance.choice(["", "-"])
    bodies = {
        "if": f"{{% if {value} %}}{inner}{{% elif n %}}b{{% else {minus}%}} c{{% endif %}}",
        "for": f"{{% for x in {value} {minus}%}}{{{{ x }}}}{inner}{{{{ loop.index }}}}{{% if loop.last %}}{{% break %}}{{% endif %}}"
               f"{{% else %}}none{{% endfor %}}",
        "set": f"{{% set s = {value} %}}{{{{ s }}}}{{% set b %}}{inner}{{% endset %}}{{{{ b ~ b }}}}{{% set ns = namespace(x='a') %}}"
               f"{{% for i in [1, 2] %}}{{% set ns.x = ns.x + {random_text(chance, depth - 1)} %}}{{% endfor %}}{{{{ ns.x }}}}",
        "macro": f"{{% macro m(a, b='d') %}}{{{{ a ~ b }}}}{inner}{{% endmacro %}}{{{{ m({value}) + m('x', b=n) }}}}",
        "call": f"{{% macro k() %}}({{{{ caller() }}}}){{% endmacro %}}{{% call k() %}}{inner}{{% endcall %}}",
        "filter": f"{{% filter {chance.choice([*FILTERS])} %}}{inner}{{% endfilter %}}",
        "generation": f"{{% generation %}}{inner}{{% endgeneration %}}",
        "raw": "{% raw %}{{ x }}{% endraw %}",
        "with": f"{{% with w = {value} %}}{{{{ w }}}}{inner}{{% endwith %}}",
        "block": f"{{% block b{chance.randrange(10**9)} %}}{inner}{{% endblock %}}",
        "autoescape": f"{{% autoescape {chance.choice(['true', 'false'])} %}}{inner}{{{{ {value} }}}}{{% endautoescape %}}",
    }
    return bodies[chance.choice(STATEMENTS)]
