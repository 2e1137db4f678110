"""Both clients while versions come and go: an answer has the classes and features of the version that gave it."""

import numpy as np
import pytest

from contract.schema import Schema
from litet.client import InvalidRows, Unavailable
from tests.litet.client.in_process import IRIS, MANY, PENGUIN, ROW, answer_in_json, check


def reordered(service):
    """The iris model with its features the other way round."""
    schema = service.foundry.numeric()
    return Schema(target=schema.target, features=schema.features[::-1], labels=schema.labels)


def test_a_swap_is_followed_at_once_with_its_own_classes(client_of, changing):
    client = client_of(changing)
    assert client.predict(MANY).version == 1
    changing.publish("iris", changing.foundry.numeric(labels=("rose", "tulip", "aster")), seed=1)
    for rows in (MANY, [ROW]):
        check(client.predict(rows), answer_in_json(changing, "/predict", rows))


def test_a_swap_between_two_requests_changes_no_answer(client_of, changing):
    client = client_of(changing)
    client.predict(MANY)
    labels = ("rose", "tulip", "aster")
    changing.happenings = [None, lambda: changing.publish("iris", changing.foundry.numeric(labels=labels), seed=1)]
    check(client.predict(MANY), answer_in_json(changing, "/predict", MANY))


@pytest.mark.parametrize("form", [MANY, np.array(MANY)])
def test_rows_are_read_again_for_a_version_with_other_features(client_of, changing, form):
    client = client_of(changing)
    client.predict(form)
    changing.publish("iris", reordered(changing), seed=1)
    check(client.predict(form, model="iris"), answer_in_json(changing, "/predict", MANY))
    changing.asked.clear()
    client.predict(form, model="iris")
    assert changing.lines == ["POST /v2/models/iris/infer"]


def test_columns_are_found_again_for_a_version_with_other_features(client_of, changing):
    columns = {name: [row[j] for row in MANY] for j, name in enumerate(IRIS)}
    client = client_of(changing)
    first = client.predict(columns)
    changing.publish("iris", reordered(changing))
    check(client.predict(columns), answer_in_json(changing, "/predict", [row[::-1] for row in MANY]))
    changing.publish("iris", changing.foundry.mixed())
    assert client.predict(PENGUIN | columns).classes == ("Adelie", "Gentoo")
    changing.publish("iris", changing.foundry.numeric())
    assert client.predict(columns).logits.tolist() == first.logits.tolist()


def test_what_did_not_fit_the_version_before_may_fit_this_one(client_of, changing):
    client = client_of(changing)
    client.predict(MANY)
    changing.publish("iris", changing.foundry.mixed())
    assert client.predict(PENGUIN).classes == ("Adelie", "Gentoo")
    with pytest.raises(InvalidRows, match="row 0, feature 'island'"):
        client.predict(MANY)


def test_features_that_never_stay_the_same_are_given_up(client_of, changing):
    client = client_of(changing, model="iris")

    def turn():
        schema = (
            reordered(changing)
            if changing.lines.count("POST /v2/models/iris/infer") % 2
            else changing.foundry.numeric()
        )
        changing.publish("iris", schema)

    changing.happenings = [None, turn, None, turn, None, turn]
    with pytest.raises(Unavailable, match=r"^the features of 'iris' must stay the same while it is asked"):
        client.predict(MANY)
