"""The stubs of the core: a .pyi beside each .pyx file, from its signatures.

In: the .pyx files and their .pxd. Out: the .pyi files, or with `--check` those that are out of date, and exit status 1.
A C type stands for Python's; an annotation goes before it. An argument without either may be anything, and a function
that returns no value returns None. Invariant: the stubs are a function of the sources alone; nothing is imported.

    python release/stubs.py [--check]
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CORE = Path(__file__).resolve().parents[1] / "dstok" / "core"
MARK = "# Generated: python release/stubs.py\n"
BUFFER = "bytes | bytearray | memoryview"
TYPES = {"bint": "bool", "list": "list[Any]", "tuple": "tuple[Any, ...]", "dict": "dict[Any, Any]", "set": "set[Any]",
         "type": "type[Any]", "str": "str", "bytes": "bytes", "const uint8_t[::1]": BUFFER,
         **dict.fromkeys(("int", "long", "Py_ssize_t", "int64_t", "uint64_t", "uint32_t"), "int")}
HOMES = {"array": ["array"], "collections.abc": ["Callable", "Iterable", "Iterator", "Sequence"], "typing": ["Any"],
         "dstok._util.arguments": ["Dtype", "Ends", "Errors", "Special", "Text"],
         "dstok.core.encode.decode": ["Decoder"], "dstok.unicode.normalization": ["FormTables"]}
ALIASES = {"np": "import numpy as np", "npt": "import numpy.typing as npt"}
CLASS = re.compile(r"(?:cdef )?class (\w+)(?:\((.*)\))?:")
FIELDS = re.compile(r" {4}cdef (?:readonly|public) (\w+) ([\w, ]+)(?:# type: (.+))?")
CALL = re.compile(r"(?P<indent> {4})?(?:def|cpdef (?P<type>\w+)) (?P<name>(?!_[^_])\w+)\((?P<arguments>.*)\)"
                  r"(?: -> (?P<returns>.+?))?(?: except .+| noexcept.*)?:")
ARGUMENT = re.compile(r"(?P<type>[^:=]*?(?:\[[:,\s1]*\])? )?(?P<name>(?!not\b|None\b)\w+)(?P<not> not None)?"
                      r"(?:: (?P<annotation>.+?))?(?: ?= ?(?P<default>.+))?")
UNSEEN = ("__dealloc__", "__getbuffer__", "__releasebuffer__")
CONSTANT = re.compile(r"([A-Z][A-Z_]*) = (.+)")


def lines_of(source: str) -> Iterator[tuple[str, str]]:
    """Each line outside of docstrings without its comment, signatures as one; with the lines that belong to it."""
    source = re.sub(r'"""[\s\S]*?"""', '""', source)
    lines = [re.sub(r"  +#.*", "", line) for line in source.split("\n")]
    for at, line in enumerate(lines):
        if re.match(" *(def|cpdef) ", line):
            while not re.search(r"\)[^()]*:$", line) or line.count("(") != line.count(")"):
                at += 1
                line += f" {lines[at].strip()}"
        indent = re.match(" *", line)[0]  # type: ignore[index]
        after = range(at + 1, len(lines))
        end = next((i for i in after if lines[i] and not lines[i].startswith(f"{indent} ")), len(lines))
        yield line, "\n".join(lines[at + 1 : end])


def split_arguments(text: str) -> list[str]:
    """The arguments of a signature: the commas in brackets and strings part none."""
    parts, depth = [""], 0
    for piece in re.findall(r'"[^"]*"|.', text):
        depth += (piece in "([{") - (piece in ")]}")
        if piece == "," and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def python_type(name: str) -> str:
    """Python's type for a C type; a class of the core is itself, another C type anything."""
    return TYPES.get(name, name if re.fullmatch("[A-Z]\\w+", name) else "Any")


def argument(text: str) -> str:
    """An argument as a stub has it."""
    match = ARGUMENT.fullmatch(text)
    if not match or match["name"] == "self":
        return text  # "*" or "/"
    kind = re.sub(r"\bBuffer\b", BUFFER, match["annotation"] or python_type((match["type"] or "").strip()))
    default = match["default"]
    may_be_none = match["type"] and not match["not"] and kind not in ("Any", "bool", "float", "int")
    if (may_be_none or default == "None") and kind != "Any" and not kind.endswith("| None"):
        kind += " | None"  # so Cython takes it
    if default is None:
        return f"{match['name']}: {kind}"
    try:
        ast.literal_eval(default)
    except ValueError:
        default = "..."
    return f"{match['name']}: {kind} = {default}"


def call(match: re.Match[str], body: str) -> str:
    """A function or method as a stub has it, with the lines of its body."""
    indent, name = match["indent"] or "", match["name"].replace("__cinit__", "__init__")
    given = [argument(one) for one in split_arguments(match["arguments"])]
    returns = match["returns"] or (match["type"] and python_type(match["type"]))
    if not returns:
        returns = "int" if name == "__len__" else "Any" if re.search(r"^ *return \S", body, re.M) else "None"
    line = f"{indent}def {name}({', '.join(given)}) -> {returns}: ..."
    if len(line) <= 120:
        return line
    return f"{indent}def {name}(\n" + "".join(f"{indent}    {one},\n" for one in given) + f"{indent}) -> {returns}: ..."


def value_type(value: str) -> str:
    """The type of a constant: a number, bytes, a tuple of numbers, or of names, which is empty at first."""
    if not re.match(r"\(([^()]+,|\))", value):
        return "bytes" if value.startswith("bytes(") else "int"
    items = split_arguments(value[1:-1])
    counted = ", ".join(["int"] * len(items)) if items and value.endswith(")") else f"{'int' if items else 'str'}, ..."
    return f"tuple[{counted}]"


def fields_of(source: str) -> dict[str, list[str]]:
    """The attributes of each class of a source that Python reads, as a stub has them."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in source.split("\n"):
        if match := CLASS.match(line):
            name = match[1]
        elif match := FIELDS.match(line):
            kind = match[3] or python_type(match[1])
            found.setdefault(name, []).extend(f"    {one.strip()}: {kind}" for one in match[2].split(","))
    return found


def stub_of(path: Path) -> str:
    """The text of the stub of a .pyx file."""
    source, header = path.read_text(encoding="utf-8"), path.with_suffix(".pxd")
    declared = header.read_text(encoding="utf-8") if header.exists() else ""
    fields = fields_of(declared)
    for name, lines in fields_of(source).items():
        fields.setdefault(name, []).extend(lines)
    body: list[str] = []
    property_line = ""
    for line, inside in lines_of(source):
        if match := CLASS.fullmatch(line):
            own, init = fields.get(match[1], []), "def __init__" in inside
            base = f"({match[2]})" if match[2] else ""
            body += [f"\nclass {match[1]}{base}:", *(own or ["    pass"])]
        elif match := CALL.fullmatch(line):
            if match["name"] not in UNSEEN and not (match["name"] == "__cinit__" and init):
                body.append(property_line + call(match, inside))
        elif match := CONSTANT.match(line):
            body.append(f"{match[1]}: {value_type(match[2])}")
        property_line = f"{line}\n" if line == "    @property" else ""
    text = "\n".join(body).strip("\n") + "\n" if body else ""
    return MARK + imports(source + declared, text) + text


def imports(source: str, text: str) -> str:
    """The imports for the names of a stub: those of the source, and well-known ones."""
    homes = {name: home for home, names in HOMES.items() for name in names}
    for home, names in re.findall(r"^from (dstok\S+) c?import (\([^)]*\)|.*)", source, re.M):
        homes |= dict.fromkeys(re.findall(r"\b[A-Z]\w+", names), home)
    used = set(re.findall(r"\w+", text)) - set(re.findall(r"^(?:class )?(\w+)", text, re.M))
    wanted = sorted({(homes[name], name) for name in used & homes.keys()})
    by_home = {home: ", ".join(name for other, name in wanted if other == home) for home, _ in wanted}
    lines = [f"from {home} import {names}" for home, names in by_home.items()]
    lines += [line for name, line in ALIASES.items() if name in used]
    return "\n".join(lines) + "\n\n" if lines else ""


def main() -> int:
    """Write the stubs, or say which are out of date."""
    stubs = {path.with_suffix(".pyi"): stub_of(path) for path in sorted(CORE.glob("*/*.pyx"))}
    old = [path for path, text in stubs.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in old:
        if "--check" in sys.argv:
            print(f"{path}: expected what release/stubs.py writes, found other text")
        else:
            path.write_text(stubs[path], encoding="utf-8")
    return 1 if old and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
