"""The fence and the pointer's sequence: a job that somebody overtook publishes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contract.card import Card, Report
from contract.errors import CorruptArtifact, Superseded
from contract.publishing import FENCE_FILE, Publisher
from contract.repository import Pointer
from tests.contract.origins import origin

Files = dict[str, bytes]


@pytest.fixture
def serving(publisher: Publisher, report: Report) -> Pointer:
    """Of two versions of `iris` the first serves, and job 7 holds the fence."""
    for content in (b"one", b"two"):
        publisher.publish("iris", content, report)
    publisher.raise_fence("iris", 7)
    return publisher.promote("iris", 1)


@pytest.fixture
def publish_job(publisher: Publisher, report: Report) -> Callable[..., Card]:
    """Publishes the version of a job with that fence, whose gate met a pointer of that sequence."""

    def publish(fence: int, sequence: int | None = 1, *, promote: bool = True) -> Card:
        return publisher.publish_job("iris", b"of a job", report, origin(fence, sequence), promote=promote)

    return publish


def files(root: Path) -> Files:
    """Every file but the lock, hidden ones included."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_promoted_job_serves_at_once(
    publisher: Publisher, publish_job: Callable[..., Card], serving: Pointer, report: Report
) -> None:
    card = publish_job(7)
    pointer, artifact = publisher.read_current("iris")
    assert pointer == Pointer(
        name="iris", version=3, sha256=card.model_file.sha256, sequence=serving.sequence + 1, previous=(1,)
    )
    assert artifact.model == b"of a job"
    assert artifact.card == card
    assert (card.parent_version, card.report) == (1, report)
    assert publisher.roll_back("iris").version == 1


def test_the_first_version_of_a_model_may_be_a_job_s(publisher: Publisher, publish_job: Callable[..., Card]) -> None:
    publisher.raise_fence("iris", 1)
    assert publisher.published_names() == publisher.names() == []
    card = publish_job(1, None)
    assert (card.version, card.parent_version) == (1, None)
    pointer = publisher.current("iris")
    assert (pointer.version, pointer.sequence, pointer.previous) == (1, 1, ())


@pytest.mark.usefixtures("serving")
def test_a_job_that_is_not_promoted_is_published_only(publisher: Publisher, publish_job: Callable[..., Card]) -> None:
    before = publisher.current("iris")
    card = publish_job(7, promote=False)
    assert (card.version, card.parent_version) == (3, 1)
    assert publisher.versions("iris") == [1, 2, 3]
    assert publisher.current("iris") == before


@pytest.mark.usefixtures("serving")
def test_the_card_says_which_job_a_version_came_from(
    publisher: Publisher, publish_job: Callable[..., Card], report: Report
) -> None:
    publish_job(7)
    assert publisher.card("iris", 3).origin == origin(7, 1)
    assert publisher.publish("iris", b"by hand", report).origin is None


@pytest.mark.usefixtures("serving")
def test_an_origin_that_could_not_be_read_back_is_not_published(publisher: Publisher, report: Report) -> None:
    before = files(publisher.root)
    told = msgspec.structs.replace(origin(7, 1), note="\udce9")
    with pytest.raises(CorruptArtifact, match="surrogates"):
        publisher.publish_job("iris", b"model", report, told, promote=True)
    assert files(publisher.root) == before


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("promote", [True, False])
@pytest.mark.parametrize("fence", [0, 6, 8], ids=["none", "stale", "never given"])
def test_a_job_without_the_fence_is_superseded_and_changes_nothing(
    publisher: Publisher, publish_job: Callable[..., Card], fence: int, promote: bool
) -> None:
    before = files(publisher.root)
    with pytest.raises(Superseded, match=f"a job must hold the fence of 'iris' to publish, got {fence}, not 7"):
        publish_job(fence, promote=promote)
    assert files(publisher.root) == before
    assert not list(publisher.root.glob("*/.staging-*"))
    assert publish_job(7).version == 3


@pytest.mark.usefixtures("serving")
def test_a_cancelled_job_is_superseded(publisher: Publisher, publish_job: Callable[..., Card]) -> None:
    publisher.raise_fence("iris", 8)
    before = files(publisher.root)
    with pytest.raises(Superseded):
        publish_job(7)
    assert files(publisher.root) == before


@pytest.mark.usefixtures("serving")
def test_a_job_may_publish_as_long_as_it_holds_the_fence(publish_job: Callable[..., Card]) -> None:
    assert [publish_job(7, sequence).version for sequence in (1, 2, 3)] == [3, 4, 5]


@pytest.mark.parametrize("lower", [-1, 0, 6, 7])
def test_a_fence_is_always_raised(publisher: Publisher, publish_job: Callable[..., Card], lower: int) -> None:
    assert publisher.raise_fence("iris", 7) == 7
    assert publisher.raise_fence("iris", lower) == 8
    with pytest.raises(Superseded):
        publish_job(7, None)
    assert publish_job(8, None).version == 1


def test_models_have_fences_of_their_own(
    publisher: Publisher, publish_job: Callable[..., Card], report: Report
) -> None:
    publisher.raise_fence("iris", 7)
    publisher.raise_fence("wine", 8)
    assert publish_job(7, None).version == 1
    assert publisher.publish_job("wine", b"model", report, origin(8), promote=True).version == 1


@pytest.mark.usefixtures("serving")
def test_versions_published_by_hand_need_no_fence(publisher: Publisher, report: Report) -> None:
    assert publisher.publish("iris", b"by hand", report).version == 3
    assert publisher.promote("iris", 3).sequence == 2


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("content", [b"", b"junk", b"\xff", b"7.0", b"7 8", b"7" * 5000], ids=lambda value: value[:5])
def test_a_damaged_fence_lets_no_job_publish_until_it_is_deleted(
    publisher: Publisher, publish_job: Callable[..., Card], report: Report, content: bytes
) -> None:
    fence = publisher.root / "iris" / FENCE_FILE
    fence.write_bytes(content)
    before = files(publisher.root)
    for act in (lambda: publish_job(7), lambda: publisher.raise_fence("iris", 9)):
        with pytest.raises(CorruptArtifact, match=r"the fence of 'iris' must be a number: .*; delete iris/\.fence"):
            act()
    assert files(publisher.root) == before
    assert publisher.publish("iris", b"by hand", report).version == 3
    fence.unlink()
    with pytest.raises(Superseded):
        publish_job(7)
    publisher.raise_fence("iris", 9)
    assert publish_job(9).version == 4


CHANGES: dict[str, Callable[[Publisher], object]] = {
    "another was promoted": lambda publisher: publisher.promote("iris", 2),
    "another was promoted, and rolled back": lambda publisher: (
        publisher.promote("iris", 2),
        publisher.roll_back("iris"),
    ),
    "none serves any more": lambda publisher: (publisher.root / "iris" / "current").unlink(),
}


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("change", CHANGES)
def test_a_job_is_not_promoted_over_what_its_gate_did_not_see(
    publisher: Publisher, publish_job: Callable[..., Card], change: str
) -> None:
    CHANGES[change](publisher)
    before = files(publisher.root)
    with pytest.raises(Superseded, match="the version of 'iris' that serves must be the one that the gate compared"):
        publish_job(7)
    assert files(publisher.root) == before
    assert publish_job(7, promote=False).version == 3


@pytest.mark.usefixtures("serving")
def test_a_job_whose_gate_saw_no_version_serve_is_not_promoted_over_one(
    publisher: Publisher, publish_job: Callable[..., Card]
) -> None:
    before = files(publisher.root)
    with pytest.raises(Superseded):
        publish_job(7, None)
    assert files(publisher.root) == before


def test_a_job_whose_gate_saw_a_version_is_not_promoted_where_none_serves(
    publisher: Publisher, publish_job: Callable[..., Card]
) -> None:
    publisher.raise_fence("iris", 7)
    with pytest.raises(Superseded):
        publish_job(7, 1)
    assert publisher.versions("iris") == []
