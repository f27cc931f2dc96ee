"""The fuzzer of completions: it finds parsers that go wrong, and says how to repeat it."""

from __future__ import annotations

import re

import fuzz_completions
import pytest

from dstok.chat.answers import Delimiters, Found, TextBuffer

PASSING = TextBuffer.passing


def copying(self: TextBuffer, delimiters: Delimiters) -> Found:
    """The rest of the text is copied at each delimiter."""
    found = PASSING(self, delimiters)
    self._text, self._at = self._text[self._at :], 0
    return found


def forgetting(self: TextBuffer, delimiters: Delimiters) -> Found:
    """A delimiter that is cut between two parts is not seen."""
    found = delimiters.search(self._text, self._at)
    if found is None or found[0] not in delimiters.texts:
        return self.rest(), ""
    before, self._at = self._text[self._at : found.start()], found.end()
    return before, found[0]


@pytest.mark.parametrize("fault", [copying, forgetting])
def test_a_fault_is_found(fault: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz_completions.main(["--count", "10"]) == 0
    monkeypatch.setattr(TextBuffer, "passing", fault)
    assert fuzz_completions.main(["--count", "100"]) == 1
    repeat = re.search(r"--seed 0 --first (\d+) --count 1: AssertionError", capsys.readouterr().out)
    assert repeat is not None
    assert fuzz_completions.main(["--first", repeat[1], "--count", "1"]) == 1
