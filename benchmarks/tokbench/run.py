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

VERSION = f"dstok {dstok.__version__}"


def main() -> None:
    """Runs one cell."""
    arguments = harness.args_parser().parse_args()
    file = arguments.model / "tokenizer.json"
    try:
        dstok.Tokenizer.from_json(file)  # what it refuses must be said before the harness loads
    except (DstokError, OSError) as error:
        harness.unsupported(VERSION, "python", str(error))
        return
    harness.run(name="dstok", version=VERSION, lang="c", load=lambda: dstok.Tokenizer.from_json(file),
                encode=lambda tok, text: tok.encode(text), args=arguments)


if __name__ == "__main__":
    main()
