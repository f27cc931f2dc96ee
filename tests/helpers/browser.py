"""A real browser for the tests of pages: what tests/fetch_browser has fetched.

DSTOK_BROWSER names the folder. Without it the tests that need it skip and say so; where CI is set they fail instead, as in
shared_data.py. A scenario is a function of a script of JavaScript; all of a script are run by one browser.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

_NAMED = os.environ.get("DSTOK_BROWSER")


def browser_folder() -> Path:
    """Where chromium, playwright-core and axe-core lie; skips the test (fails it in CI) if nothing was fetched."""
    if not _NAMED:
        reason = "DSTOK_BROWSER is not set: run tests/fetch_browser FOLDER and set it to that folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(_NAMED).resolve()


def run_scenarios(script: Path, what: dict[str, Any], seconds: int = 240) -> dict[str, Any]:
    """What each scenario of `script` gave, by name: {"error": text or None, "value": what it returned}."""
    folder = browser_folder()
    given = json.dumps({**what, "chromium": str(folder / "chromium"), "axe": str(folder / "node_modules/axe-core/axe.min.js")})
    copy = folder / script.name  # where node finds the packages
    copy.write_bytes(script.read_bytes())
    done = subprocess.run(["node", str(copy)], input=given.encode(), capture_output=True, timeout=seconds)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)  # type: ignore[no-any-return]
