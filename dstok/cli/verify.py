"""`dstok verify`: is a tokenizer right? `dstok prove`: the steps of a model from text to ids, against their proofs.

In: the specs of two tokenizers, and files; or a model. Out: a report as text or JSON, with --html a page too; or a line
for each step, each proved, enumerated or tested, and one for what none looks at. The exit codes are at the end of each
help. Invariants: the candidate runs in its own process, with limits: damage that it does to itself is a finding. The
output of `prove` is that of `dstok.conformance.prove`.
"""

from __future__ import annotations

from argparse import Namespace
from itertools import chain

from dstok._util.columns import aligned
from dstok._util.files import file_faults
from dstok.cli.arguments import BAD, DIFFERENT, load_model, refuse_unless
from dstok.cli.output import OF_CHECKS, WORDS, Bar, CommandError, complain, write_result
from dstok.conformance.prove import prove
from dstok.conformance.report import page
from dstok.conformance.texts import documents, rows
from dstok.conformance.upgrade import model_file, upgrade
from dstok.conformance.verify import verify
from dstok.conformance.worker import Limits
from dstok.io.id_files import write_text


def run_prove(arguments: Namespace) -> int:
    tokenizer = load_model(arguments.model, arguments.upstream)
    with Bar() as bar:
        found = prove(tokenizer, lambda name: bar.draw(WORDS, 0, None, name))
    table = [("step", "kind", "result", "checked", "theorem"),
             *((step.name, step.kind, "FAILED" if step.faults else "holds", step.done, step.theorem)
               for step in found if step.kind != "none")]
    rest = [f"{step.name}: {part}" for step in found for part in (step.faults or [step.done] * (step.kind == "none"))]
    write_result(arguments, [step._asdict() for step in found], [*aligned(table), *rest], indent=2)
    return DIFFERENT if any(step.faults for step in found) else 0


def run_verify(arguments: Namespace) -> int:
    if getattr(arguments, "from") or arguments.to:
        return _run_upgrade(arguments)
    seconds = arguments.seconds

    def show(check: str, done: int, left: float) -> None:
        bar.draw(OF_CHECKS, min(max(seconds - left, 0), seconds), seconds,
                 f"{max(left, 0):.0f} s left, {check}: {done:,} texts")

    with Bar() as bar, model_file(arguments.model) as file:  # the tokenizer.json for specs that name none
        report = verify(arguments.candidate, arguments.reference, model=arguments.model, files=arguments.files,
                        seconds=seconds, tokenizer_json=file, max_k=arguments.max_k,
                        limits=Limits(memory=arguments.memory << 20, patience=arguments.patience),
                        corpus=chain(*[rows(spec) for spec in arguments.dataset]), progress=show,
                        upstream=arguments.upstream)
    if arguments.html:
        write_text(arguments.html, page(report, load_model(arguments.model, arguments.upstream)))
    write_result(arguments, report.as_json(), str(report).split("\n"), indent=2)
    if report.verdict == "incomplete" and not arguments.allow_incomplete:
        complain(f"{report.summary}: give it more --seconds, or --allow-incomplete")
        return BAD
    return DIFFERENT if report.verdict == "different" else 0


def _run_upgrade(arguments: Namespace) -> int:
    old, new = getattr(arguments, "from"), arguments.to
    if not (old and new):
        raise CommandError("expected --from and --to, found one of them")
    for option in ("reference", "html", "upstream", "allow_incomplete"):
        refuse_unless(not getattr(arguments, option), f"--{option.replace('_', '-')}", "a command without --from")
    texts = chain(documents(arguments.files), *[rows(spec) for spec in arguments.dataset])
    with file_faults(arguments.candidate):
        found = upgrade(arguments.candidate, old, new, texts)
    write_result(arguments, found.as_json(), str(found).split("\n"), indent=2)
    return DIFFERENT if found.changed else 0
