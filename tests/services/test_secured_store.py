"""The analysts' store on an Elasticsearch that asks who is there: each role with the rights of the reference page."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from elasticsearch import ApiError

from consumers.errors import StoreUnavailableError
from consumers.reports import list_dead_letters, report_predictions
from consumers.searches import ElasticsearchStore
from consumers.sinks.elasticsearch import ElasticsearchSink
from consumers.sinks.elasticsearch_client import build_client, elasticsearch_faults
from consumers.sinks.elasticsearch_rights import store_rights
from runtime.settings import StoreSettings
from schemas.signature import Feature, FeatureKind
from tests.consumers.stored import FEATURES, dead_letter, fill, prediction
from tests.services.secured_elasticsearch import SUPER_USER, SecuredElasticsearch

PREFIX = "penstock"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredElasticsearch]:
    made = SecuredElasticsearch(tmp_path_factory.mktemp("secured-elasticsearch"), store_rights(PREFIX))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def settings_of(secured: SecuredElasticsearch, role: str, folder: Path) -> StoreSettings:
    """What a process of that role is told, with its password in a file."""
    password = folder / role
    password.write_text(secured.passwords[role])
    return StoreSettings.model_validate(
        {
            "elasticsearch_urls": secured.server.url,
            "index_prefix": PREFIX,
            "username": role,
            "password_file": password,
            "ca_file": secured.authority.ca,
        }
    )


def test_the_sink_writes_and_analysts_read(secured: SecuredElasticsearch, tmp_path: Path) -> None:
    """Templates, months, a model that grows and repeated requests, as the sink; every report, as an analyst."""
    sink_settings = settings_of(secured, "sink", tmp_path)
    first = [prediction(number) for number in range(20)]
    fill(ElasticsearchSink(sink_settings, features_of=lambda _model: FEATURES), first, [])
    grown = (*FEATURES, Feature(name="added", kind=FeatureKind.NUMBER, dtype="float64", nullable=True))
    fill(
        ElasticsearchSink(sink_settings, features_of=lambda _model: grown), first[:5], [dead_letter(1), dead_letter(2)]
    )
    with secured.client() as client:
        client.indices.refresh(index=f"{PREFIX}-*")
    store = ElasticsearchStore(settings_of(secured, "analysts", tmp_path))

    assert sum(day.predictions for day in report_predictions(store, "flights")) == 20
    assert len(list_dead_letters(store)) == 2


def test_analysts_only_read(secured: SecuredElasticsearch, tmp_path: Path) -> None:
    """A write with an analyst's rights is refused in Elasticsearch's words, and waits for the right to be given."""
    sink = ElasticsearchSink(settings_of(secured, "analysts", tmp_path), features_of=lambda _model: FEATURES)

    with pytest.raises(StoreUnavailableError, match=r"403.*is unauthorized for user"):
        fill(sink, [prediction(99)], [])
    sink.close()


def test_the_sink_has_no_right_beside_its_own(secured: SecuredElasticsearch, tmp_path: Path) -> None:
    """It deletes no months, makes no users, and sees no indices of others."""
    settings = settings_of(secured, "sink", tmp_path)
    with build_client(settings) as client, secured.client() as admin:
        for index in ("others", f"{PREFIX}-month"):
            admin.index(index=index, document={"a": 1}, refresh=True)
        for refused in (
            partial(client.indices.delete, index=f"{PREFIX}-month"),
            partial(client.search, index="others"),
            partial(client.security.get_user, username=SUPER_USER),
        ):
            with pytest.raises(ApiError, match="unauthorized"):
                refused()


WRONG: Mapping[str, tuple[Mapping[str, object], str]] = {
    "password": ({"password": "planted-wrong"}, "answers 401: .*unable to authenticate user"),
    "API key": (
        {"username": "", "password": None, "api_key": "cGxhbnRlZDp3cm9uZw=="},
        "answers 401: .*unable to authenticate with provided credentials",
    ),
    "nobody": ({"username": "", "password": None}, "answers 401: .*missing authentication credentials"),
    "authority": ({"ca_file": None}, "can't be reached: .*certificate verify failed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_who_is_not_known_is_told_so(secured: SecuredElasticsearch, tmp_path: Path, what: str) -> None:
    """The message names the server and the fault, and no secret."""
    changes, words = WRONG[what]
    given = settings_of(secured, "sink", tmp_path).model_dump(exclude={"password_file"})
    settings = StoreSettings.model_validate({**given, **changes})

    with (
        pytest.raises(StoreUnavailableError, match=words) as caught,
        build_client(settings) as client,
        elasticsearch_faults(settings),
    ):
        client.cluster.health()

    assert secured.server.url in str(caught.value)
    assert "planted" not in str(caught.value)
    assert "cGxhbnRlZDp3cm9uZw" not in str(caught.value)
