"""C functions, run on words whose 64 bits are Boolean functions of a text.

In: the text of C headers (pycparser reads it), values for the arguments of a function. Out: the value that it returns,
and the changes of what its pointers name.
Invariant: for every assignment of the variables, the bits are those that the compiled C computes. So one run stands for
all texts at once. Undefined behaviour (a shift by too much, the leading zeros of 0) is noted with the texts that have it.

A value is an int, a word (a list of 64 functions, binary decision diagrams of dd), or `Cases`: a number with the texts
under which it has each value. A struct is a dict. A branch is run under its condition, and an assignment keeps the old
value where the condition is false.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycparser import c_ast, c_parser
from pycparser.c_generator import CGenerator

BITS, ALL = 64, (1 << 64) - 1
INTEGERS = "typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;\n" \
           "typedef unsigned long uint64_t; typedef unsigned long size_t;\n"  # in place of the system's headers
COMPARED: dict[str, Callable[[int, int], bool]] = {
    "==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, ">": int.__gt__, "<=": int.__le__, ">=": int.__ge__}
ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "&": int.__and__, "|": int.__or__, "^": int.__xor__, "+": int.__add__, "-": int.__sub__}

Value = Any  # an int, a word, Cases, a struct, or a Pointer
Function = Any  # a binary decision diagram


class Cases(dict[int, Function]):
    """A number: each value, and when it has this value."""


class Pointer:
    """`&name`: a field of a struct, or a variable."""

    def __init__(self, owner: dict[str, Value], name: str) -> None:
        self.owner, self.name = owner, name


def parsed(core: Path, headers: list[str]) -> c_ast.FileAST:
    """The syntax tree of headers, and of those that they include, without intrinsics and attributes."""
    source = "#define DSTOK_VECTORS_H\n" + "".join(f'#include "{header}"\n' for header in headers)
    empty = core / "none"
    empty.mkdir(exist_ok=True)
    for name in ("stdint.h", "string.h", "stddef.h"):
        (empty / name).write_text(INTEGERS if name == "stdint.h" else "")
    text = subprocess.run(["gcc", "-E", "-P", "-nostdinc", "-I", str(core), "-I", str(empty), "-D__attribute__(x)=", "-x", "c", "-"],
                          input=source, capture_output=True, text=True, check=True).stdout
    return c_parser.CParser().parse(text)


class Machine:
    """Runs the functions of a syntax tree. `bdd`: the manager of the Boolean functions.

    given: functions that are not run but answered, by name, as Python functions of their arguments.
    undefined: (what and where, when) of each operation that C does not define.
    """

    def __init__(self, tree: c_ast.FileAST, bdd: Any) -> None:
        self.bdd, self.true, self.false = bdd, bdd.true, bdd.false
        self.functions = {node.decl.name: node for node in tree.ext if isinstance(node, c_ast.FuncDef)}
        self.constants: dict[str, Value] = {}
        self.when = self.true  # under which the present statement runs
        self.returned: list[tuple[Function, Value]] = []
        self.undefined: list[tuple[str, Function]] = []
        self.given: dict[str, Callable[..., Value]] = {}
        for node in tree.ext:
            if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Enum):
                self._add_constants(node.type)
        structs = {node.name: [field.name for field in node.type.type.decls] for node in tree.ext
                   if isinstance(node, c_ast.Typedef) and isinstance(node.type.type, c_ast.Struct)}
        for node in tree.ext:  # tables of structs of numbers
            if isinstance(node, c_ast.Decl) and isinstance(node.init, c_ast.InitList) and (
                    fields := structs.get(getattr(node.type.type.type, "names", [""])[0])):
                self.constants[node.name] = [self._row(fields, row) for row in node.init.exprs]

    def _row(self, fields: list[str], row: c_ast.InitList) -> dict[str, Value]:
        found = dict.fromkeys(fields, 0)
        for field, one in zip(fields, row.exprs):
            named = isinstance(one, c_ast.NamedInitializer)
            found[one.name[0].name if named else field] = self.value(one.expr if named else one, {})
        return found

    def _add_constants(self, enum: c_ast.Enum) -> None:
        value = 0
        for one in enum.values.enumerators:
            if one.value is not None:
                try:
                    value = self.value(one.value, {})
                except (KeyError, NotImplementedError):
                    return  # sizes of arrays and the like, which no rule uses: a use would fail
            self.constants[one.name] = value
            value += 1

    # Values.

    def word(self, value: Value) -> list[Function]:
        """A value as a word."""
        if isinstance(value, list):
            return value
        bits = [self.false] * BITS
        for number, when in self.cases(value).items():
            for at in range(BITS):
                if number >> at & 1:
                    bits[at] = bits[at] | when
        return bits

    def cases(self, value: Value) -> Cases:
        """A value as cases. A word must be 0 or 1."""
        if isinstance(value, Cases):
            return value
        if isinstance(value, int):
            return Cases({value: self.true})
        assert all(bit == self.false for bit in value[1:]), "a word where a number is expected"
        return Cases({0: ~value[0], 1: value[0]})

    def truth(self, value: Value) -> Function:
        """When a value is not 0."""
        if isinstance(value, int):
            return self.true if value else self.false
        found = self.false
        for when in value if isinstance(value, list) else [when for number, when in value.items() if number]:
            found = found | when
        return found

    def _boolean(self, when: Function) -> Cases:
        return Cases({1: when, 0: ~when})

    def chosen(self, when: Function, one: Value, other: Value) -> Value:
        """`one` where `when` is true, else `other`."""
        if when == self.true or when == self.false:
            return one if when == self.true else other
        if isinstance(one, int) and one == other:
            return one
        if isinstance(one, list) or isinstance(other, list):
            return [a if a == b else self.bdd.ite(when, a, b) for a, b in zip(self.word(one), self.word(other))]
        found, left, right = Cases(), self.cases(one), self.cases(other)
        for number in {*left, *right}:
            self.add_case(found, number, self.bdd.ite(when, left.get(number, self.false), right.get(number, self.false)))
        return found

    def add_case(self, cases: Cases, number: int, when: Function) -> None:
        """Lets a number have a value, too."""
        if when != self.false:
            cases[number] = cases[number] | when if number in cases else when

    def xor(self, one: Function, other: Function) -> Function:
        """When two functions differ."""
        return self.bdd.apply("xor", one, other)

    def _sum(self, one: Value, other: Value, carry: Function) -> tuple[list[Function], Function]:
        bits = []
        for a, b in zip(self.word(one), self.word(other)):
            both = self.xor(a, b)
            bits.append(self.xor(both, carry))
            carry = (a & b) | (both & carry)
        return bits, carry

    def _not(self, value: Value) -> list[Function]:
        return [~bit for bit in self.word(value)]

    def _pairs(self, one: Value, other: Value, combine: Callable[[int, int], int]) -> Cases:
        found, right = Cases(), self.cases(other)
        for a, when in self.cases(one).items():
            some = Cases()  # first those of `other` that give one number: a comparison gives two
            for b, also in right.items():
                self.add_case(some, int(combine(a, b)), also)
            for number, also in some.items():
                self.add_case(found, number, when & also)
        return found

    def _note(self, what: str, when: Function) -> None:
        if when & self.when != self.false:
            self.undefined.append((what, when & self.when))

    # Expressions.

    def value(self, node: Any, names: dict[str, Value]) -> Value:
        """The value of an expression."""
        if isinstance(node, c_ast.Constant):
            return int(node.value.rstrip("uUlL"), 0)
        if isinstance(node, c_ast.ID):
            return names[node.name] if node.name in names else self.constants[node.name]
        if isinstance(node, c_ast.StructRef):
            return self.value(node.name, names)[node.field.name]
        if isinstance(node, c_ast.ArrayRef):
            return self.value(node.name, names)[self.value(node.subscript, names)]
        if isinstance(node, c_ast.Cast):
            return self.value(node.expr, names)
        if isinstance(node, c_ast.TernaryOp):
            return self._ternary(node, names)
        if isinstance(node, c_ast.Assignment):
            return self._assign(node, names)
        if isinstance(node, c_ast.UnaryOp):
            return self._unary(node, names)
        if isinstance(node, c_ast.BinaryOp):
            return self._both(node, names) if node.op in ("&&", "||") else self._binary_node(node, names)
        if isinstance(node, c_ast.FuncCall):
            return self._builtin(node, node.name.name, [self.value(one, names) for one in node.args.exprs])
        raise NotImplementedError(f"{type(node).__name__} at {node.coord}")

    def _ternary(self, node: c_ast.TernaryOp, names: dict[str, Value]) -> Value:
        condition, when = self.truth(self.value(node.cond, names)), self.when
        if condition == self.true or condition == self.false:
            return self.value(node.iftrue if condition == self.true else node.iffalse, names)
        self.when = when & condition
        one = self.value(node.iftrue, names)
        self.when = when & ~condition
        other = self.value(node.iffalse, names)
        self.when = when
        return self.chosen(condition, one, other)

    def _assign(self, node: c_ast.Assignment, names: dict[str, Value]) -> Value:
        value = self.value(node.rvalue, names)
        if node.op != "=":
            value = self._binary(node.op[:-1], self.value(node.lvalue, names), value, node)
        place = self._place(node.lvalue, names)
        self._store(place, value)
        return value

    def _place(self, node: Any, names: dict[str, Value]) -> Pointer:
        if isinstance(node, c_ast.ID):
            return Pointer(names, node.name)
        if isinstance(node, c_ast.StructRef):
            return Pointer(self.value(node.name, names), node.field.name)
        found: Pointer = self.value(node.expr, names)
        return found

    def _store(self, place: Pointer, value: Value) -> None:
        old = place.owner.get(place.name)
        place.owner[place.name] = value if old is None else self.chosen(self.when, value, old)

    def _unary(self, node: c_ast.UnaryOp, names: dict[str, Value]) -> Value:
        if node.op == "&":
            return self.value(node.expr, names) if isinstance(node.expr, c_ast.ArrayRef) else Pointer(names, node.expr.name)
        value = self.value(node.expr, names)
        if node.op == "*":
            return value.owner[value.name]
        if node.op == "!":
            return int(not value) if isinstance(value, int) else self._boolean(~self.truth(value))
        if node.op == "~":
            return ~value & ALL if isinstance(value, int) else self._not(value)
        if node.op == "-":
            return -value if isinstance(value, int) else self._sum(self._not(value), 1, self.false)[0]
        raise NotImplementedError(f"{node.op} at {node.coord}")

    def _both(self, node: c_ast.BinaryOp, names: dict[str, Value]) -> Value:
        left, when = self.truth(self.value(node.left, names)), self.when
        self.when = when & (left if node.op == "&&" else ~left)
        right = self.false if self.when == self.false else self.truth(self.value(node.right, names))
        self.when = when
        return self._boolean(left & right if node.op == "&&" else left | right)

    def _binary_node(self, node: c_ast.BinaryOp, names: dict[str, Value]) -> Value:
        """`a >> b & 1`, which reads one bit, needs no word for each b."""
        left, right = node.left, node.right
        if node.op == "&" and isinstance(left, c_ast.BinaryOp) and left.op == ">>" and getattr(right, "value", "") == "1":
            by = self.value(left.right, names)
            if isinstance(by, Cases):
                return self._bit(self.word(self.value(left.left, names)), by, node)
        return self._binary(node.op, self.value(left, names), self.value(right, names), node)

    def _bit(self, word: list[Function], by: Cases, node: Any) -> list[Function]:
        found = self.false
        for number, when in by.items():
            if 0 <= number < BITS:
                found = found | (when & word[number])
            else:
                self._note(f"shift at {node.coord}", when)
        return [found] + [self.false] * (BITS - 1)

    def _binary(self, op: str, one: Value, other: Value, node: Any) -> Value:
        if op in ("<<", ">>"):
            return self._shift(one, other, op == "<<", node)
        if isinstance(one, int) and isinstance(other, int):
            return int(COMPARED[op](one, other)) if op in COMPARED else ARITHMETIC[op](one, other)
        words = isinstance(one, list) or isinstance(other, list)
        if op in "&|^":
            pairs = zip(self.word(one), self.word(other))
            return [a & b if op == "&" else a | b if op == "|" else self.xor(a, b) for a, b in pairs]
        if not words:
            return self._pairs(one, other, COMPARED[op] if op in COMPARED else ARITHMETIC[op])
        if op in "+-":
            return self._sum(one, other if op == "+" else self._not(other), self.false if op == "+" else self.true)[0]
        differ = self.truth([self.xor(a, b) for a, b in zip(self.word(one), self.word(other))])
        assert op in ("==", "!="), f"{op} of words at {node.coord}"
        return self._boolean(differ if op == "!=" else ~differ)

    def _shift(self, value: Value, by: Value, left: bool, node: Any) -> Value:
        by = self.cases(by) if isinstance(by, list) else by
        if isinstance(value, int) and isinstance(by, int):
            return value << by & ALL if left else (value & ALL) >> by
        word, bits = self.word(value), [self.false] * BITS
        for number, when in self.cases(by).items():
            if not 0 <= number < BITS:
                self._note(f"shift at {node.coord}", when)
                continue
            for at in range(number if left else 0, BITS if left else BITS - number):
                source = word[at - number if left else at + number]
                if source != self.false:
                    bits[at] = bits[at] | (when & source)
        return bits

    # Calls.

    def _builtin(self, node: c_ast.FuncCall, name: str, arguments: list[Value]) -> Value:
        if name == "__builtin_expect":
            return arguments[0]
        if name == "__builtin_uaddll_overflow":
            found, carry = self._sum(arguments[0], arguments[1], self.false)
            self._store(arguments[2], found)
            return self._boolean(carry)
        if name in ("__builtin_clzll", "__builtin_ctzll"):
            return self._zeros(self.word(arguments[0]), name == "__builtin_clzll", f"{name} of 0 at {node.coord}")
        if name == "__builtin_popcountll":
            return self._count(arguments[0])
        return self.given[name](*arguments) if name in self.given else self.call(name, arguments)

    def _zeros(self, word: list[Function], leading: bool, what: str) -> Cases:
        none, found = self.true, Cases()
        for number in range(BITS):
            bit = word[BITS - 1 - number if leading else number]
            self.add_case(found, number, none & bit)
            none = none & ~bit
        self._note(what, none)
        return found

    def _count(self, value: Value) -> Value:
        if isinstance(value, int):
            return (value & ALL).bit_count()
        counts = Cases({0: self.true})
        for bit in self.word(value):
            counts = self.chosen(bit, Cases({number + 1: when for number, when in counts.items()}), counts)
        return counts

    def call(self, name: str, arguments: list[Value]) -> Value:
        """The value that a function returns; None of none."""
        function, outer, when = self.functions[name], self.returned, self.when
        names = {one.name: value for one, value in zip(function.decl.type.args.params, arguments)}
        self.returned = []
        self.run(function.body, names)
        found = None
        for where, value in reversed(self.returned):
            found = value if found is None else self.chosen(where, value, found)
        self.returned, self.when = outer, when
        return found

    # Statements.

    def run(self, node: Any, names: dict[str, Value]) -> None:
        """Runs a statement; afterwards `when` tells for which texts the next one runs."""
        statement = getattr(self, f"_{type(node).__name__.lower()}", None)
        if statement is not None:
            statement(node, names)
        elif node is not None:
            self.value(node, names)

    def _emptystatement(self, node: c_ast.EmptyStatement, names: dict[str, Value]) -> None:
        pass

    def _compound(self, node: c_ast.Compound, names: dict[str, Value]) -> None:
        for one in node.block_items or []:
            if self.when != self.false:
                self.run(one, names)

    def _decllist(self, node: c_ast.DeclList, names: dict[str, Value]) -> None:
        for one in node.decls:
            self.run(one, names)

    def _decl(self, node: c_ast.Decl, names: dict[str, Value]) -> None:
        names.pop(node.name, None)
        if node.init is not None:
            names[node.name] = self.value(node.init, names)

    def _return(self, node: c_ast.Return, names: dict[str, Value]) -> None:
        self.returned.append((self.when, self.value(node.expr, names) if node.expr else None))
        self.when = self.false

    def _while(self, node: c_ast.While, names: dict[str, Value]) -> None:
        self._loop(node.cond, node.stmt, None, names)

    def _for(self, node: c_ast.For, names: dict[str, Value]) -> None:
        if not self._over_bits(node, names):
            self.run(node.init, names)
            self._loop(node.cond, node.stmt, node.next, names)

    def _if(self, node: c_ast.If, names: dict[str, Value]) -> None:
        condition, when = self.truth(self.value(node.cond, names)), self.when
        after = self.false
        for where, branch in ((condition, node.iftrue), (~condition, node.iffalse)):
            self.when = when & where
            if self.when != self.false:
                self.run(branch, names)
            after = after | self.when
        self.when = after

    def _loop(self, condition: Any, body: Any, following: Any, names: dict[str, Value]) -> None:
        done = self.false
        while True:
            goes_on = self.truth(self.value(condition, names))
            done, self.when = done | (self.when & ~goes_on), self.when & goes_on
            if self.when == self.false:
                break
            self.run(body, names)
            if following is not None:
                self.value(following, names)
        self.when = done

    def _over_bits(self, node: c_ast.For, names: dict[str, Value]) -> bool:
        """Runs `for (uint64_t left = E; left; left &= left - 1)` bit by bit, if `left & -left` is its only use."""
        say = CGenerator().visit
        if not isinstance(node.init, c_ast.DeclList) or len(node.init.decls) != 1:
            return False
        name = node.init.decls[0].name
        if say(node.cond) != name or say(node.next) != f"{name} &= {name} - 1":
            return False
        text = say(node.stmt)
        assert text.count(name) == 2 and (f"{name} & (-{name})" in text or f"{name} & -{name}" in text), text
        left, when = self.word(self.value(node.init.decls[0].init, names)), self.when
        for at in range(BITS):
            self.when = when & left[at]
            if self.when != self.false:
                names[name] = 1 << at
                self.run(node.stmt, names)
        self.when = when
        return True
