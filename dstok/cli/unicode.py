"""`dstok unicode diff`: the changes of a Unicode version.

In: two versions, and perhaps a property. Out: a row of a table, or a JSON line, for each change. Invariant: the output
equals that of `dstok.unicode.difference`. Versions that differ are not an error: the exit code is 0.
"""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_actions, add_command, add_json, add_output
from dstok.cli.errors import CommandError
from dstok.files.outputs import Output

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.unicode import Change, CodePointSet

__all__ = ["add_commands"]

HEAD = ("property", "before", "after", "count", "code points")
FIELDS = """\
a JSON object a change:
  property       such as General_Category, Script, Script_Extensions=Han, Alphabetic
  before, after  its value in the first version and in the second; "no" and "yes" if it has no other values
  count          the number of code points with this change
  ranges         the first and last of each range of them

"""


def add_commands(commands: Commands) -> None:
    actions = add_actions(commands, "unicode", "compare the Unicode tables of two versions",
                          "The Unicode tables that patterns use.")
    diff = add_command(actions, "diff", run_diff, "list the differences between two Unicode versions",
                       "dstok unicode diff 16.0 17.0 --property General_Category", FIELDS)
    diff.add_argument("one", metavar="VERSION", help="the first version")
    diff.add_argument("other", metavar="VERSION", help="the second version")
    diff.add_argument("--property", metavar="P", help="show only changes of this property")
    add_json(diff, "JSON lines instead of a table for people")
    add_output(diff)


def run_diff(arguments: Namespace) -> None:
    changes = _changes(arguments)
    with Output(arguments.output) as output:
        lines = map(_json, changes) if arguments.json else _table(changes)
        output.write("".join(f"{line}\n" for line in lines).encode())


def _changes(arguments: Namespace) -> list[Change]:
    from dstok import unicode

    changes = list(unicode.difference(arguments.one, arguments.other))
    if arguments.property is None:
        return changes
    _check(arguments.property, (arguments.one, arguments.other))
    return [change for change in changes if change.property == arguments.property]


def _check(property: str, versions: tuple[str, str]) -> None:
    """Raises `CommandError` for an unknown property: an empty result would be misleading."""
    from dstok import unicode

    extensions = (f"Script_Extensions={name}" for version in versions for name in unicode.scripts(version))
    if property not in {"General_Category", "Script", *extensions, *unicode.binary_properties(versions[1])}:
        raise CommandError("--property: expected General_Category, Script, Script_Extensions=Han or a binary "
                           f"property such as Alphabetic; found {property!r}")


def _json(change: Change) -> str:
    return json.dumps({"property": change.property, "before": change.before, "after": change.after,
                       "count": len(change.code_points), "ranges": change.code_points.ranges})


def _table(changes: list[Change]) -> list[str]:
    from dstok.base.columns import aligned

    rows = [(change.property, change.before, change.after, str(len(change.code_points)), shown(change.code_points))
            for change in changes]
    return list(aligned([HEAD, *rows]))


def shown(points: CodePointSet) -> str:
    """The ranges of a set, such as U+0041..U+005A U+00AA."""
    from dstok.unicode.code_point_set import range_text  # not needed to start

    return " ".join(range_text(first, last) for first, last in points.ranges)
