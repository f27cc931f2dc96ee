"""Hypothesis profiles: `ci`, and `deep` under DSTOK_PROFILE=deep."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("DSTOK_PROFILE", "ci"))
