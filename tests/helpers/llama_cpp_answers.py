"""llama.cpp's own ids of texts, from a process of its own: see llama_cpp_child.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from judges import judge

CHILD = Path(__file__).with_name("llama_cpp_child.py")


def ask(path: Path, texts: list[str], parse_special: bool = True) -> dict[str, Any]:
    """llama.cpp's answers about a GGUF file and texts."""
    questions = json.dumps([[text, parse_special] for text in texts])
    command = [sys.executable, str(CHILD), str(judge("llama.cpp")), str(path)]
    done = subprocess.run(command, input=questions.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:].decode("utf-8", "replace")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
