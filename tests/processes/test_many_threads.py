"""Many threads, one tokenizer: every way in gives the ids that it gives alone (helpers/many_threads.py, for longer runs)."""

from __future__ import annotations

from many_threads import Crew


def test_all_ways_at_once() -> None:
    crew = Crew(1.5)
    crew.run()
    assert crew.wrong == [] and any(crew.done.values())
