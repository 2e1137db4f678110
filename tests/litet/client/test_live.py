"""Both clients and a real service: whichever way rows take, they are answered alike, or refused alike."""

import asyncio

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.publishing import Publisher
from litet.client import AsyncClient, Client, InvalidRows
from tests.running import running_service
from tests.service.conftest import Foundry

NAMES = ("bill_mm", "island", "mass_g", "sex")
NUMBERS = st.none() | st.floats(width=32, allow_infinity=False) | st.floats() | st.integers()
ISLANDS = st.none() | st.sampled_from(["Biscoe", "Dream", "", "Atlantis", "\x00", "ö" * 99]) | st.text(max_size=3)
GOOD = st.tuples(
    st.none() | st.floats(-1e6, 1e6), ISLANDS, st.integers(-(10**6), 10**6), st.sampled_from(["male", None])
)
ODD = st.booleans() | st.text(max_size=2) | NUMBERS | st.just("\ud800") | st.lists(st.none(), max_size=1)
ANY = st.tuples(NUMBERS | ODD, ISLANDS | ODD, NUMBERS, ODD)
TABLES = st.lists(GOOD, min_size=1, max_size=5) | st.lists(GOOD | ANY, min_size=1, max_size=5)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    publisher = Publisher(tmp_path_factory.mktemp("live") / "models")
    foundry = Foundry()
    foundry.publish(publisher, "penguins", foundry.mixed())
    foundry.publish(publisher, "iris", foundry.numeric(), seed=1)
    with running_service(publisher.root, "--workers", "2") as url:
        yield url


@pytest.fixture(scope="module")
def client(url):
    with Client(url, model="penguins") as client:
        yield client


def outcome(ask, rows):
    """All of an answer, or all that is wrong with the rows."""
    try:
        answer = ask(rows)
    except InvalidRows as error:
        return error.faults, error.n_faults
    numbers = (answer.class_index, answer.probabilities, answer.logits)
    return answer.version, answer.labels, [array.tolist() for array in numbers], answer.unseen


@given(TABLES)
@example([(3e38, None, 3e38, None)])
@example([(16777217, "Dream", 2**60 + 2**36 + 1, "male")])
def test_json_and_tensors_are_answered_and_refused_alike(client, rows):
    columns = {name: [row[j] for row in rows] for j, name in enumerate(NAMES)}
    assert outcome(client.predict, list(map(list, rows))) == outcome(client.predict, columns)


@pytest.mark.parametrize("n_rows", [1, 10_000])
def test_a_client_that_awaits_gets_what_one_that_waits_gets(url, client, n_rows):
    X = np.random.default_rng(0).uniform(0, 8, (n_rows, 4))

    async def ask():
        async with AsyncClient(url) as waiting:
            assert await waiting.is_ready()
            assert [model.name for model in await waiting.models()] == ["iris", "penguins"]
            return await asyncio.gather(*[waiting.predict(X, model="iris") for _ in range(8)])

    expected = client.predict(X, model="iris")
    for answer in asyncio.run(ask()):
        assert answer.logits.tolist() == expected.logits.tolist()
        assert answer.labels == expected.labels
