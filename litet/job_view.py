"""Jobs, their events and the gate's decisions as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contract.decision import Comparison, Finding, GateDecision, Replay
from contract.job import Cancelled, Decided, Epoch, Event, Failed, Found, Outcome, Staged
from litet.admin_client import one_line
from litet.admin_messages import Job, Progress
from litet.rendering import metrics_lines

OUTCOMES: dict[Outcome, str] = {
    "promoted": "serves now",
    "held": "was held back by the gate",
    "published": "waits for a person to promote it",
}
COMPARISON_TITLES = ("metric", "champion", "challenger", "worse by", "99 % interval", "tolerance", "")
LIST_TITLES = ("number", "id", "model", "state", "dataset", "by", "created", "")


def event_line(event: Event) -> str:
    """One event in one line."""
    match event:
        case Staged():
            text = f"{event.stage} …"
        case Epoch():
            text = epoch_text(event)
        case Found():
            text = f"finding: {_finding(event.finding)}"
        case Decided():
            text = "gate: passed" if event.gate.passed else f"gate: held back: {'; '.join(event.gate.reasons)}"
        case Failed():
            text = f"failed: {event.error}"
        case Cancelled():
            text = f"cancelled by {event.by}"
        case _:
            text = f"succeeded: version {event.version} {OUTCOMES[event.outcome]}"
    return one_line(text)


def epoch_text(event: Epoch) -> str:
    """Where fitting stands; most runs stop before their last epoch."""
    record = event.record
    left_s = event.seconds / record.epoch * (event.max_epochs - record.epoch)
    return (
        f"epoch {record.epoch}/{event.max_epochs}  train loss {record.train_loss:.4f}  "
        f"valid loss {record.valid_loss:.4f}  at most {left_s:.0f} s left"
    )


def job_line(job: Job) -> str:
    """Which job, and how it stands."""
    if job.state == "succeeded" and job.outcome is not None:
        standing = f"succeeded: {job.model}/{job.version} {OUTCOMES[job.outcome]}"
    elif job.state == "running" and job.progress is not None:
        standing = f"running: {_progress(job.progress)}"
    else:
        standing = job.state + (f": {job.error}" if job.error else "")
    return one_line(f"job {job.number} ({job.id}) of {job.model} {standing}")


def job_lines(job: Job) -> Iterator[str]:
    """All that a user wants to know of a job."""
    yield job_line(job)
    version = f" {job.dataset_version[:16]}…" if job.dataset_version else ""
    target = f", target {job.target}" if job.target else ""
    note = f": {job.note}" if job.note else ""
    yield one_line(f"dataset    {job.dataset}{version}{target}")
    yield one_line(f"asked by   {job.requested_by} at {job.created_at}{note}")
    for finding in job.findings:
        yield one_line(f"finding    {_finding(finding)}")
    if job.metrics is not None:
        first, *rest = metrics_lines(job.metrics)
        yield f"held out   {first}"
        yield from (f"           {one_line(line)}" for line in rest)
    if job.gate is not None:
        yield from gate_lines(job.gate)
    if job.state == "failed":
        yield from (f"log        {one_line(line)}" for line in job.log)
    if job.outcome in {"held", "published"}:
        all_the_same = " all the same" if job.outcome == "held" else ""
        yield f"           to promote it{all_the_same}: POST /admin/models/{job.model}/versions/{job.version}/promote,"
        yield f"           or where the repository is: litet promote {job.model} {job.version}"


def gate_lines(gate: GateDecision) -> Iterator[str]:
    """The gate's decision, with the numbers that it rests on."""
    against = "no version to compare with" if gate.champion is None else f"compared with version {gate.champion}"
    yield f"gate       {'passed' if gate.passed else 'held back'}; {against} on {gate.n_held_out} held-out rows"
    if gate.comparisons:
        rows = [COMPARISON_TITLES, *map(_comparison, gate.comparisons)]
        yield from (f"           {line}" for line in aligned(rows))
    if gate.replay is not None:
        yield f"replay     {_replay(gate.replay)}"
    for label, texts in (("schema", gate.schema_changes), ("note", gate.notes), ("reason", gate.reasons)):
        yield from (f"{label:<11}{one_line(text)}" for text in texts)


def list_lines(jobs: Sequence[Job]) -> Iterator[str]:
    """Jobs as a table, one a line."""
    yield from aligned([LIST_TITLES, *map(_listed, jobs)])


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines whose columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _finding(finding: Finding) -> str:
    column = f" in column {finding.column!r}" if finding.column is not None else ""
    gravity = "refused" if finding.refused else "warning"
    return f"{gravity}: {finding.check}{column}: {finding.detail} ({finding.value:.4g}, limit {finding.limit:.4g})"


def _comparison(comparison: Comparison) -> tuple[str, ...]:
    return (
        comparison.metric.replace("_", " "),
        f"{comparison.champion:.4f}",
        f"{comparison.challenger:.4f}",
        f"{comparison.worse_by:+.4f}",
        f"{comparison.low:+.4f} … {comparison.high:+.4f}",
        f"{comparison.tolerance:.4f}",
        "passed" if comparison.passed else "not passed",
    )


def _replay(replay: Replay) -> str:
    return (
        f"{replay.n_requests} requests, {replay.n_rows} rows: {replay.label_flip_rate:.1%} change their class "
        f"(limit {replay.max_label_flips:.1%}), probabilities by up to {replay.max_probability_change:.3f}, "
        f"{replay.n_refused} refused: {'passed' if replay.passed else 'not passed'}"
    )


def _listed(job: Job) -> tuple[str, ...]:
    if job.outcome is not None:
        what = f"version {job.version} {OUTCOMES[job.outcome]}"
    else:
        what = _progress(job.progress) if job.progress else job.error or ""
    cells = (str(job.number), job.id, job.model, job.state, job.dataset, job.requested_by, job.created_at, what[:80])
    return tuple(map(one_line, cells))


def _progress(progress: Progress) -> str:
    epoch = "" if progress.epoch is None else f", epoch {progress.epoch}/{progress.max_epochs}"
    left = "" if progress.eta_s is None else f", at most {progress.eta_s:.0f} s left"
    return f"{progress.stage}{epoch}{left}"
