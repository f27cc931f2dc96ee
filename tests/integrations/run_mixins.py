"""transformers' own tests of tokenizers, on a tokenizer as it is and on the accelerated one.

`python tests/integrations/run_mixins.py SOURCE MODEL plain|accelerated`: SOURCE is the unpacked source distribution of the
transformers that is installed, MODEL a folder with a tokenizer.json. Prints a JSON object: test -> passed, failed or skipped.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import unittest
from pathlib import Path
from typing import Any

SAMPLE = "A line of a text that tests read.\nAnother one, with numbers 1234 and signs; it's short.\n\n" * 10


class Outcomes(unittest.TestResult):
    """What each test came to."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        self.outcomes[test.id().rsplit(".", 1)[1]] = "passed"

    def _not_passed(self, test: unittest.TestCase, outcome: str) -> None:
        self.outcomes[test.id().rsplit(".", 1)[1]] = outcome

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        self._not_passed(test, f"failed: {err[0].__name__}: {str(err[1])[:300]}")

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self._not_passed(test, f"failed: {err[0].__name__}: {str(err[1])[:300]}")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self._not_passed(test, "skipped")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            self._not_passed(test, f"failed: {err[0].__name__}: {str(err[1])[:300]}")


def mixins(source: Path) -> list[type]:
    """The classes of tests that common tokenizers pass through, of transformers 5 or 4."""
    fixtures = source / "tests" / "fixtures"
    fixtures.mkdir(exist_ok=True)
    (fixtures / "sample_text.txt").write_text(SAMPLE, encoding="utf-8")
    sys.path.insert(0, str(source))  # where `tests` is a package without a file of its own
    found = [importlib.import_module("tests.test_tokenization_common").TokenizerTesterMixin]
    if (source / "tests" / "test_tokenizers_backend_mixin.py").is_file():
        found.append(importlib.import_module("tests.test_tokenizers_backend_mixin").TokenizersBackendTesterMixin)
    return found


class Saved:
    """Puts the tokenizer into the folder that the tests load from, which those of transformers 4 leave to each class."""

    @classmethod
    def setUpClass(cls: Any) -> None:
        super().setUpClass()  # type: ignore[misc]
        (model,) = cls.from_pretrained_id
        cls.rust_tokenizer_class.from_pretrained(model).save_pretrained(cls.tmpdirname)


def case(source: Path, model: str) -> type[unittest.TestCase]:
    """A test case of all mixins on one model."""
    from transformers import PreTrainedTokenizerFast

    members = {"tokenizer_class": PreTrainedTokenizerFast, "rust_tokenizer_class": PreTrainedTokenizerFast,
               "from_pretrained_id": [model], "from_pretrained_kwargs": {}, "test_slow_tokenizer": False,
               "test_rust_tokenizer": True, "test_sentencepiece": False}
    return type("Case", (Saved, *mixins(source), unittest.TestCase), members)


def main(source: str, model: str, how: str) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    made = case(Path(source), model)
    if how == "accelerated":
        from dstok.integrations.transformers import install

        install()
    outcomes = Outcomes()
    unittest.defaultTestLoader.loadTestsFromTestCase(made).run(outcomes)
    print(json.dumps(outcomes.outcomes, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
