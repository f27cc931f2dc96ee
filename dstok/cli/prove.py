"""`dstok prove`: the steps of a model from text to ids, each proved, enumerated or tested, on its tables and the code.

In: a model. Out: a line for each step, and one for what none looks at; or JSON. Exit code 0: no step failed, 1: a step
failed, 2: bad usage or input.
Invariant: the output is that of `dstok.testing.prove`.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_json_and_output, add_upstream
from dstok.cli.models import load_model
from dstok.cli.progress import Bar
from dstok.files.outputs import write_lines

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.testing.prove import Step

__all__ = ["add_commands"]

HEAD = ("step", "kind", "result", "checked", "theorem")
LAYOUT = "{desc}"
NOTES = """\
kinds:
  proved       a theorem holds for all texts; what it asks of the model's tables is checked
  enumerated   all cases up to a size are tried
  tested       some cases are tried
  none         the last row, which names what no step looks at
The code runs at each level that this processor has. It takes seconds to a minute.
The theorems are in docs/proofs.md, each under the heading that is printed.

exit codes: 0 no step failed, 1 a step failed, 2 bad usage or input

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "prove", run, "check each step of a model against its proof",
                         "dstok prove deepseek-v3", NOTES)
    parser.add_argument("model", metavar="MODEL",
                        help="a built-in model, or the path of a tokenizer.json, folder, GGUF file, rank file or image")
    add_upstream(parser)
    add_json_and_output(parser)


def run(arguments: Namespace) -> int:
    from dstok.testing.prove import prove

    tokenizer = load_model(arguments.model, arguments.upstream)
    with closing(Bar()) as bar:
        found = prove(tokenizer, lambda name: bar.draw(LAYOUT, 0, None, name) if bar.due() else None)
    write_lines(arguments.output, _json(found).split("\n") if arguments.json else _table(found))
    return 1 if any(step.faults for step in found) else 0


def _json(found: list[Step]) -> str:
    import json

    return json.dumps([step._asdict() for step in found], indent=2)


def _table(found: list[Step]) -> list[str]:
    from dstok.base.columns import aligned

    rows = [(step.name, step.kind, "FAILED" if step.faults else "holds", step.done, step.theorem)
            for step in found if step.kind != "none"]
    rest = [f"{step.name}: {part}" for step in found for part in (step.faults or [step.done] * (step.kind == "none"))]
    return [*aligned([HEAD, *rows]), *rest]
