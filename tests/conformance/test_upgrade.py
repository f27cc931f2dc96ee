"""The changes between versions of upstream: the code points are all, by both tokenizers; the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import fails, run
from shares import share
from smaller_models import smaller_json

from dstok.conformance import Upgrade, upgrade
from dstok.conformance.automaton_guide import Guide, moved
from dstok.conformance.texts import contexts
from dstok.loading import load

OLD, NEW = "tokenizers-0.23.3", "tokenizers-1.0.0rc3"
COUNTS = {  # of the code points that each change has; Digits has 17.0 in both versions, so Coder gains no digits
    "deepseek-v3": {"patterns": [13, 104, 4644, 42]},
    "qwen-2.5": {"patterns": [13, 4644], "NFC": [185]},
    "glm-4.7-flash": {"patterns": [13, 4644]},
    "deepseek-coder-33b-base": {"patterns": [1, 4641, 3]},
    "deepseek-llm-7b-base": {},
}


def model_file(model: str, folder: Path) -> str:
    path = folder / "tokenizer.json"
    path.write_text(smaller_json(model), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("model", [*share(COUNTS, 2)])
def test_the_changes_are_all(model: str, tmp_path: Path) -> None:
    """Each text of a change has other ids; no text without such a code point has."""
    path = model_file(model, tmp_path)
    found = upgrade(path, OLD, NEW)
    counts: dict[str, list[int]] = {}
    for change in found.changes:
        counts.setdefault(change.what, []).append(len(change.code_points))
        assert change.what != "patterns" or {*map(ord, moved("17.0", "16.0"))} >= {*change.code_points}
    assert counts == COUNTS[model]
    before, after = (load(path, upstream=name) for name in (OLD, NEW))
    for change in found.changes:
        assert (list(change.old_ids), list(change.new_ids)) == (before.encode(change.text), after.encode(change.text))
        assert not change.text or change.old_ids != change.new_ids
    same = [code for code in share(range(0x110000), 60) if not 0xD800 <= code < 0xE000 and code not in found.code_points]
    for left, right in contexts(Guide(after)):
        text = "".join(f"{left}{chr(code)}{right}" for code in same)
        assert before.encode_array(text).tolist() == after.encode_array(text).tolist()


def test_texts() -> None:
    found = upgrade("deepseek-v3", OLD, NEW, ["plain", " \u20c1", "\u20c1", "\u00e9"])
    assert (found.documents, found.touched, found.changed, found.examples) == (4, 2, 1, [" \u20c1"])
    assert str(found).splitlines()[-2] == "1 of 4 documents change (2 have such a code point)"
    assert upgrade("deepseek-v3", OLD, "tokenizers-0.23.1", ["a"]) == Upgrade(
        "deepseek-v3", OLD, "tokenizers-0.23.1", ("16.0", "16.0"), [], 1)


def test_the_command(tmp_path: Path) -> None:
    model = model_file("qwen-2.5", tmp_path)
    words = ("verify", "--from", OLD, "--to", NEW, model)
    plain, mark = tmp_path / "plain", tmp_path / "mark"
    plain.write_text("plain\n", encoding="utf-8")
    mark.write_text("\u0c15\u0c4d\u0c3c\n", encoding="utf-8")
    done = run(*words, str(plain))
    assert done.returncode == 0 and b"0 of 1 documents change (0 have such a code point)" in done.stdout
    done = run(*words, str(plain), str(mark), "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["documents"], told["changed"]) == (1, 2, 1)
    assert [change["what"] for change in told["changes"]] == ["patterns", "patterns", "NFC"]
    assert "expected --from and --to, found one of them" in fails("verify", "--from", OLD, model)
    assert "--reference is for a command without --from" in fails(*words, "--reference", "dstok:deepseek-v3")
    assert "nowhere.txt" in fails(*words, "nowhere.txt")
