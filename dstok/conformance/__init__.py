"""The conformance kit: is a tokenizer right? Texts that test it, and `verify`, which reports faults and their causes.

    class_cover, Guide          the behaviour of an automaton, as finite sets of texts
    strategies                  for hypothesis (extra `dstok[testing]`): texts, patterns, conversations, token ids
    verify, Report              candidate against reference: causes with smallest counterexamples
    prove, Step                 the steps of a model, each with its proof, checked on the model's tables
    upgrade                     what changes for a model from one version of upstream to another
    conformance                 pytest: the checks as tests of your own project
    compare, Comparison         what texts cost tokenizers: tokens, bytes a token, tokens a word

>>> import dstok
>>> from dstok.conformance import verify
>>> tok = dstok.load("deepseek-v3")
>>> print(verify(lambda text: tok.encode(text.lower()), seconds=20, checks=["odd texts"]).findings[0].title)
lower case
"""

from __future__ import annotations

from dstok.conformance.automaton_guide import Guide
from dstok.conformance.checks import CHECKS
from dstok.conformance.comparison import Comparison, compare
from dstok.conformance.engines import CandidateError, Engine, open_engine
from dstok.conformance.prove import Step, prove
from dstok.conformance.report import Report
from dstok.conformance.texts import class_cover, cover_size
from dstok.conformance.upgrade import Change, Upgrade, upgrade
from dstok.conformance.verify import conformance, verify
from dstok.conformance.worker import Limits

__all__ = ["CHECKS", "CandidateError", "Change", "Comparison", "Engine", "Guide", "Limits", "Report", "Step", "Upgrade",
           "class_cover", "compare", "conformance", "cover_size", "open_engine", "prove", "upgrade", "verify"]
