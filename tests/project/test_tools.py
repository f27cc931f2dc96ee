"""`python -m tests`: it lists every tool that a person starts, passes arguments on, and hands back the exit status."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# Scripts that other scripts or tests start; so are those whose names end in _child.
INNER = {"helpers/bimachines.py", "helpers/command_server.py", "helpers/extras.py", "helpers/levels.py", "helpers/sanitize_corpora.py"}



def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tests", *arguments], cwd=CHECKOUT, capture_output=True, text=True)


def scripts() -> set[str]:
    """The files below tests/ that can be started."""
    files = [path for path in (CHECKOUT / "tests").rglob("*") if path.is_file() and path.suffix in (".py", ".sh", "")]
    startable = re.compile(r'^#!|^if __name__ == "__main__":|^(sys\.exit\()?main\(', re.M)
    return {path.relative_to(CHECKOUT / "tests").as_posix() for path in files
            if startable.search(path.read_text(encoding="utf-8"))}


def test_every_script_has_a_name() -> None:
    listed = run_tool()
    assert listed.returncode == 0 and listed.stderr == ""
    namespace: dict[str, dict[str, tuple[str, str]]] = {}
    source = (CHECKOUT / "tests" / "__main__.py").read_text(encoding="utf-8")
    exec(source[source.index("TOOLS = "):source.index("def main")], namespace)
    tools = {path for path, _ in namespace["TOOLS"].values()}
    started = {path for path in scripts() if not path.endswith("_child.py")}
    assert started - INNER - {"__main__.py"} == tools
    assert all(f"  {name} " in listed.stdout for name in namespace["TOOLS"])


def test_arguments_and_exit_status_are_the_scripts() -> None:
    names = run_tool("fuzz", "--list")
    assert names.returncode == 0 and "patterns" in names.stdout.split()
    assert run_tool("fuzz", "--no-such-option").returncode == 2


def test_an_unknown_tool_is_named() -> None:
    done = run_tool("fuz")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: expected a tool out of aarch64, ") and done.stderr.endswith("found 'fuz'\n")
