"""One job from order to version: read → check → train → compare → publish, and promote where the gate lets it pass."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from contract.card import Card, Origin
from contract.decision import Finding, GateDecision
from contract.errors import InvalidData, NotFound, Superseded
from contract.job import Order, Outcome
from contract.publishing import Publisher
from contract.repository import Artifact, Pointer
from training.retrain.data_checks import check_data
from training.retrain.gate import decide
from training.retrain.held_out import FrozenRows, open_held_out
from training.retrain.reporting import EventObserver
from training.run import TrainedModel, train_model
from training.table import Table, read_table

MAX_COMPARISONS = 5
"""How often the gate compares anew because another version was promoted meanwhile."""


def retrain(order: Order, folder: Path) -> None:
    """Carry out an order. Its end is told in the folder's events.

    Raises:
        CallerError: what was ordered cannot be done; nothing was published.
        OSError: a disk is full or fails. At most the version was published, and does not serve.
    """
    observer = EventObserver(folder)
    publisher = Publisher(Path(order.models))
    observer.stage("reading")
    table = _table(order)
    target = order.target or table.target
    if target is None:
        raise InvalidData(f"a job must name the target, one of: {', '.join(table.frame.columns)}")
    _, champion = _champion(publisher, order.model)
    observer.stage("checking")
    findings = _check(table, target, order, champion, observer)
    frozen = _held_out(table, target, order, champion.card if champion else None)
    trained = train_model(table, target, order.config, order.columns, observer, frozen.held_out)
    requests = _requests(order)
    for attempt in range(MAX_COMPARISONS):
        observer.stage("comparing")
        pointer, champion = _champion(publisher, order.model)
        gate = decide(
            trained, champion, pointer.sequence if pointer else None, frozen, order.limits, requests, findings
        )
        observer.decided(gate, trained.report.metrics)
        observer.stage("publishing")
        try:
            card, outcome = _publish(publisher, order, trained, gate)
        except Superseded:
            if attempt == MAX_COMPARISONS - 1 or _champion(publisher, order.model)[0] == pointer:
                raise
            continue
        observer.succeeded(card.version, outcome)
        return


def _table(order: Order) -> Table:
    """The ordered table under its dataset's name, which is all that anybody else is to read of where it lies."""
    try:
        return replace(read_table(order.table), source=order.dataset)
    except InvalidData as error:
        raise InvalidData(str(error).replace(repr(order.table), repr(order.dataset))) from None


def _champion(publisher: Publisher, model: str) -> tuple[Pointer | None, Artifact | None]:
    try:
        return publisher.read_current(model)
    except NotFound:
        return None, None


def _check(
    table: Table, target: str, order: Order, champion: Artifact | None, observer: EventObserver
) -> tuple[Finding, ...]:
    findings = check_data(table, target, order.columns, champion, order.data_checks)
    for finding in findings:
        observer.finding(finding)
    if refused := [finding.detail for finding in findings if finding.refused]:
        raise InvalidData(f'{"; ".join(refused)}. To train all the same, send "data_checks": "warn"')
    return findings


def _held_out(table: Table, target: str, order: Order, champion: Card | None) -> FrozenRows:
    lineage = Path(order.held_out) / order.dataset / hashlib.sha256(target.encode()).hexdigest()[:16]
    return open_held_out(lineage, table, target, order.config, champion, order.columns)


def _publish(publisher: Publisher, order: Order, trained: TrainedModel, gate: GateDecision) -> tuple[Card, Outcome]:
    origin = Origin(job=order.id, fence=order.fence, requested_by=order.requested_by, note=order.note, gate=gate)
    promote = order.promote == "auto" and gate.passed
    card = publisher.publish_job(order.model, trained.model, trained.report, origin, promote=promote)
    if promote:
        return card, "promoted"
    return card, "published" if gate.passed else "held"


def _requests(order: Order) -> list[bytes]:
    """The bodies of recent requests, which the service handed over in memory."""
    if order.requests is None:
        return []
    with os.fdopen(order.requests, "rb") as file:
        return file.read().splitlines()
