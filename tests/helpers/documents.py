"""The code blocks of a Markdown page, run as a reader would: all of a page in order, in one place.

In: a page. Out: an AssertionError that names the page and the line of what is not as the page says. Invariant: a block of
Python or of the shell is run, or the line before it says why not: `<!-- not run: why -->`, or
`<!-- run by tests/some/test_file.py -->`.

- `python`: statement by statement, in one namespace for the page. Where a value stands as a comment behind or below an
  expression, `tok.count("Hi")  # 1`, the expression has that value. Words after two more blanks are for the reader.
- `pycon`: a session with `>>>`, as a doctest.
- `sh`: by bash, which stops at the first command that fails; a `text` block right after it is what was printed, `...` standing
  for anything.
"""

from __future__ import annotations

import ast
import doctest
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RUN", "Block", "blocks", "claimed", "run_python", "run_session", "run_shell"]

RUN = ("python", "pycon", "sh")
FENCE = re.compile(r"(?m)(?:^<!-- (?:not run: (?P<why>[^\n]+)|run by (?P<by>\S+)) -->\n)?^(?P<ticks>```+)(?P<language>[^\n]*)\n"
                   r"(?P<text>.*?)^(?P=ticks)$", re.S)
NOTHING = object()
PATIENCE = 240  # seconds for a block of commands, on a busy machine; a server has no end


@dataclass(frozen=True)
class Block:
    """A code block: where its text begins, why it is not run or by which other test it is, and the `text` block after it."""

    page: str
    line: int
    language: str
    text: str
    why_not: str | None = None
    run_by: str | None = None
    printed: str | None = None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> Iterator[Block]:
    """All code blocks of a page, also those in no language."""
    found = list(FENCE.finditer(text))
    for one, after in zip(found, [*found[1:], None]):
        follows = after is not None and after["language"] == "text" and not text[one.end():after.start()].strip()
        printed = after["text"] if after is not None and follows else None
        line = text.count("\n", 0, one.start("text")) + 1
        yield Block(page, line, one["language"].strip(), one["text"], one["why"], one["by"], printed)


def run_python(block: Block, space: dict[str, Any]) -> int:
    """Runs a block and compares the values that it shows; how many there were."""
    claims, compared = dict(claimed(block.text)), 0
    for statement in ast.parse(block.text).body:
        shown = claims.get(statement.end_lineno or 0, NOTHING) if isinstance(statement, ast.Expr) else NOTHING
        ast.increment_lineno(statement, block.line - 1)
        if shown is NOTHING or not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), block.page, "exec"), space)
            continue
        value = eval(compile(ast.Expression(statement.value), block.page, "eval"), space)
        assert value == shown, f"{block.page}:{statement.lineno}: expected {shown!r}, found {value!r}"
        compared += 1
    return compared


def claimed(source: str) -> Iterator[tuple[int, Any]]:
    """(line of the code, value) of each comment that is a value."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            below = token.line.lstrip().startswith("#")
            with suppress(SyntaxError, ValueError):
                yield token.start[0] - below, ast.literal_eval(re.split(r"\s{2,}", token.string[1:].strip())[0])


def run_session(block: Block, space: dict[str, Any]) -> int:
    """Runs a session as a doctest; how many examples it had."""
    test = doctest.DocTestParser().get_doctest(block.text, space, block.place, block.page, block.line)
    said = io.StringIO()
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.write, clear_globs=False).failed
    space.update(test.globs)
    assert not failed, said.getvalue()
    return len(test.examples)


def run_shell(block: Block, folder: Path) -> int:
    """Runs commands in `folder`; 1 if what they print was compared."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], cwd=folder, capture_output=True, text=True,
                              env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{block.place}: no end after {PATIENCE} s") from None
    assert done.returncode == 0, f"{block.place}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    if block.printed is None:
        return 0
    same = doctest.OutputChecker().check_output(block.printed, done.stdout, doctest.ELLIPSIS)
    assert same, f"{block.place}: expected\n{block.printed}found\n{done.stdout}"
    return 1
