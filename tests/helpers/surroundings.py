"""The files that the code blocks of a page find in the folder where they run.

In: a page. Out: its files. A tutorial's reader has none, the README's reader those of the clone. The other pages show
commands for files of the reader's own, such as notes.txt.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from real_models import real_json

__all__ = ["files"]

CHECKOUT = Path(__file__).resolve().parents[2]
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo", "reasoning_content": "Hm"}
_IDS = 2000
PROSE = "A tokenizer cuts a text into pieces, and pieces into tokens.\nnaïve café, 東京 🦙, 12345\n"


def files(page: str, folder: Path) -> None:
    """Puts the page's files there: the project's examples, texts of each kind, a tokenizer.json."""
    if page.startswith("docs/tutorials/"):
        return
    shutil.copytree(CHECKOUT / "examples", folder / "examples")
    if page == "README.md":
        return
    talk = [USER, ANSWER, {"role": "user", "content": "So?"}]
    for name in ("notes.txt", "notes.md", "prompt.txt", "README.md"):
        (folder / name).write_text(PROSE, encoding="utf-8")
    (folder / "big.txt.gz").write_bytes(gzip.compress(PROSE.encode() * 100))
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in PROSE.splitlines()))
    (folder / "talk.json").write_text(json.dumps(talk), encoding="utf-8")
    (folder / "talks.jsonl").write_text(f"{json.dumps(talk)}\n" * 2, encoding="utf-8")
    (folder / "request.json").write_text(json.dumps({"model": "deepseek-chat", "messages": talk}), encoding="utf-8")
    (folder / "answer.txt").write_text("Hm</think>Yo<｜end▁of▁sentence｜>", encoding="utf-8")
    (folder / "ids.txt").write_text("19923 2058\n")
    (folder / "tokenizer.json").write_text(json.dumps(_small()), encoding="utf-8")
    _data(folder / "data")


def _small() -> dict[str, Any]:
    """V3's tokenizer.json with its first 2,000 ids: to build the tables of all of them takes seconds."""
    file: dict[str, Any] = json.loads(real_json("deepseek-v3"))
    file["model"]["vocab"] = {token: id for token, id in file["model"]["vocab"].items() if id < _IDS}
    known = file["model"]["vocab"]
    file["model"]["merges"] = [merge for merge in file["model"]["merges"] if merge.replace(" ", "") in known]
    file["added_tokens"] = [token for token in file["added_tokens"] if token["id"] < _IDS]
    return file


def _data(folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        rows = (json.dumps({"text": f"{PROSE} {row}"}, ensure_ascii=False) for row in range(number * 100, number * 100 + 100))
        (folder / f"part-{number}.jsonl").write_text("\n".join(rows), encoding="utf-8")


