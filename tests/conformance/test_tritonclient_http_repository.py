"""tritonclient.http, its synchronous client: the model repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tests.conformance.live import Live
from tests.conformance.tensors import flowers
from tests.conformance.trained import litet

N_CONNECTIONS = 16
"""Enough that each of two workers is met."""


@pytest.fixture
def client(live: Live) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(live.address) as client:
        yield client


@pytest.fixture
def spare(client: InferenceServerClient, live: Live) -> Iterator[str]:
    """A model that may be unloaded."""
    yield "spare"
    client.load_model("spare", headers=live.admin)


def everywhere(live: Live, ask: Any) -> list[Any]:
    """What each of many connections hears."""
    heard = []
    for _connection in range(N_CONNECTIONS):
        with InferenceServerClient(live.address) as client:
            heard.append(ask(client))
    return heard


def test_the_index_names_every_model_and_version(client, live):
    index = client.get_model_repository_index(headers=live.admin)
    states = {(one["name"], one["version"]): one["state"] for one in index}
    assert states[("iris", "1")] == states[("birds", "1")] == states[("spare", "1")] == "READY"


def test_an_unloaded_model_answers_nobody_until_it_is_loaded_again(client, live, spare):
    client.unload_model(spare, headers=live.admin)
    assert everywhere(live, lambda client: client.is_model_ready(spare)) == [False] * N_CONNECTIONS
    index = client.get_model_repository_index(headers=live.admin)
    (entry,) = [one for one in index if one["name"] == spare]
    assert entry["state"] == "UNAVAILABLE"
    assert entry["reason"]
    with pytest.raises(InferenceServerException, match=spare) as refused:
        client.infer(spare, flowers())
    assert refused.value.status() == "503"
    assert client.is_server_ready()

    client.load_model(spare, headers=live.admin)
    assert everywhere(live, lambda client: client.is_model_ready(spare)) == [True] * N_CONNECTIONS
    assert client.infer(spare, flowers()).as_numpy("class_index").shape == (3,)


def test_unloading_with_dependents_and_again_does_no_harm(client, live, spare):
    client.unload_model(spare, headers=live.admin, unload_dependents=True)
    client.unload_model(spare, headers=live.admin)
    assert not client.is_model_ready(spare)


def test_loading_takes_what_was_promoted_at_once_in_every_worker(client, live, spare):
    litet("train", "iris", "--name", spare, "--preset", "reference", "--max-epochs", 5, "--models", live.models)
    client.load_model(spare, headers=live.admin)
    versions = everywhere(live, lambda client: client.infer(spare, flowers()).get_response()["model_version"])
    assert set(versions) == {str(max(map(int, client.get_model_metadata(spare)["versions"])))}
    litet("rollback", spare, "--models", live.models)
    client.load_model(spare, headers=live.admin)
    versions = everywhere(live, lambda client: client.infer(spare, flowers()).get_response()["model_version"])
    assert set(versions) == {"1"}


@pytest.mark.parametrize("headers", [None, {"Authorization": "Bearer litet_wrong"}])
@pytest.mark.parametrize("act", ["load_model", "unload_model"])
def test_without_the_key_nothing_is_loaded_or_unloaded(client, act, headers):
    with pytest.raises(InferenceServerException, match="key") as refused:
        getattr(client, act)("spare", headers=headers)
    assert refused.value.status() == "401"
    assert client.is_model_ready("spare")


def test_without_the_key_there_is_no_index(client):
    with pytest.raises(InferenceServerException, match="key") as refused:
        client.get_model_repository_index()
    assert refused.value.status() == "401"


@pytest.mark.parametrize("act", ["load_model", "unload_model"])
def test_what_does_not_exist_can_be_neither_loaded_nor_unloaded(client, live, act):
    with pytest.raises(InferenceServerException, match="no-such-model") as refused:
        getattr(client, act)("no-such-model", headers=live.admin)
    assert refused.value.status() == "404"


def test_a_configuration_cannot_be_sent_with_a_load(client, live):
    with pytest.raises(InferenceServerException) as refused:
        client.load_model("spare", headers=live.admin, config=json.dumps({"max_batch_size": 1}))
    assert refused.value.status() == "400"
    assert client.get_model_config("spare")["max_batch_size"] == 10_000
