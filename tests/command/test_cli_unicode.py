"""`dstok unicode diff` writes what `dstok.unicode.difference` gives."""

from __future__ import annotations

from cli_process import fails, json_lines, ok

from dstok import unicode


def test_all_changes_as_json() -> None:
    found = json_lines(ok("unicode", "diff", "16.0", "17.0", "--json"))
    wanted = unicode.difference("16.0", "17.0")
    assert [(row["property"], row["before"], row["after"]) for row in found] == [
        (change.property, change.before, change.after) for change in wanted]
    assert [tuple(map(tuple, row["ranges"])) for row in found] == [change.code_points.ranges for change in wanted]
    assert [row["count"] for row in found] == [len(change.code_points) for change in wanted]


def test_a_property_as_a_table() -> None:
    head, gained, lost = ok("unicode", "diff", "16.0", "17.0", "--property", "Cased").decode().splitlines()
    assert head.split() == ["property", "before", "after", "count", "code", "points"]
    assert gained.split()[:5] == ["Cased", "no", "yes", "55", "U+A7CE..U+A7CF"]
    assert lost.split() == ["Cased", "yes", "no", "1", "U+0295"]
    assert ok("unicode", "diff", "16.0", "17.0", "--property", "Dash").decode().splitlines() == [
        "property  before  after  count  code points"]


def test_what_there_is_not() -> None:
    assert "found '13.0'" in fails("unicode", "diff", "13.0", "16.0")
    assert "found 'cased'" in fails("unicode", "diff", "16.0", "17.0", "--property", "cased")
