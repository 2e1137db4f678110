"""Both clients of a service in this process."""

import pytest

from tests.litet.client.in_process import InProcess, connect


@pytest.fixture(scope="session")
def unchanging(tmp_path_factory):
    service = InProcess(tmp_path_factory.mktemp("service"), default_model="iris")
    service.publish("iris", service.foundry.numeric())
    service.publish("iris", service.foundry.numeric(labels=("rose", "tulip", "aster")), seed=1)
    service.publish("penguins", service.foundry.mixed())
    service.publish("digits", service.foundry.numeric(labels=(0, 1, 2)))
    service.publish("flags", service.foundry.numeric(labels=(False, True)))
    with service.running():
        yield service


@pytest.fixture
def service(unchanging):
    unchanging.asked.clear()
    unchanging.happenings.clear()
    return unchanging


@pytest.fixture
def changing(tmp_path):
    """A service for the test alone."""
    service = InProcess(tmp_path)
    service.publish("iris", service.foundry.numeric())
    with service.running():
        yield service


@pytest.fixture
def pauses(monkeypatch):
    """What the clients would have slept, in seconds."""
    slept = []

    async def sleep(pause_s):
        slept.append(pause_s)

    monkeypatch.setattr("litet.client.blocking.sleep", slept.append)
    monkeypatch.setattr("litet.client.asynchronous.sleep", sleep)
    return slept


@pytest.fixture(params=["sync", "async"])
def client_of(request):
    """Makes clients of one kind, closed at the end."""
    clients = []

    def make(service, **options):
        clients.append(connect(request.param, service, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(client_of, service, pauses):
    return client_of(service, model="iris")
