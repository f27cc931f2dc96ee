"""dstok in huggingface/tokbench: the adapter of a scripted engine, `engines/dstok/run.py` there.

In: tokbench's command line (a model's folder, a corpus, the number of passes). Out: its JSON record, by its own
`python/harness.py`, which times. Invariant: ids are those of the text alone, added tokens matched, as of tokbench's
reference with `add_special_tokens = false`. A model that dstok refuses is a cell "unsupported", with dstok's reason.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import harness  # type: ignore[import-not-found]  # tokbench's

import dstok
from dstok.errors import DstokError

VERSION, LANG = f"dstok {dstok.__version__}", "c"


def load(model: Path) -> dstok.Tokenizer:
    """The tokenizer. The harness times this call; for a model that is refused the process ends here."""
    try:
        return dstok.Tokenizer.from_json(model / "tokenizer.json")
    except (DstokError, OSError) as error:
        harness.unsupported(VERSION, LANG, str(error))
        raise


def main() -> None:
    """Runs one cell."""
    arguments = harness.args_parser().parse_args()
    harness.run(name="dstok", version=VERSION, lang=LANG, load=lambda: load(arguments.model),
                encode=lambda tok, text: tok.encode(text), args=arguments)


if __name__ == "__main__":
    main()
