"""Kibana's saved objects name data views, fields and charts that exist, and nothing else."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from consumers.sinks.elasticsearch_mappings import properties_of
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.stored_collections import COLLECTIONS, PREDICTIONS
from docs.pages.kibana import CHARTS, RECORDS
from docs.reference import FOLDER, KIBANA
from runtime.settings import StoreSettings
from schemas.signature import Feature, FeatureKind

OBJECTS = [orjson.loads(line) for line in (FOLDER / KIBANA).read_text(encoding="utf-8").splitlines()]
BY_ID = {(each["type"], each["id"]): each for each in OBJECTS}
COUNTED = {"keyword", "boolean", "date", "long", "double"}
MEASURED = {"average": {"long", "double"}, "sum": {"long", "double"}, "percentile": {"long", "double"}}


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in OBJECTS if each["type"] == kind]


def columns(chart: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for layer in chart["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values():
        assert set(layer["columnOrder"]) == set(layer["columns"])
        yield from layer["columns"].values()


def mapped_fields(chart: dict[str, Any]) -> dict[str, Any]:
    """The mapping of the indices that a chart is about."""
    (reference,) = chart["references"]
    name = reference["id"].removeprefix("penstock-")
    return dict(properties_of(next(each for each in COLLECTIONS if each.name == name)))


def test_every_kind_of_document_has_a_data_view() -> None:
    """Over the pattern that its indices have, with its own time."""
    names = IndexNames(StoreSettings().index_prefix)
    views = {each["attributes"]["title"]: each["attributes"]["timeFieldName"] for each in of_kind("index-pattern")}

    assert views == {names.pattern(collection): collection.time for collection in COLLECTIONS}


@pytest.mark.parametrize("view", of_kind("index-pattern"), ids=lambda each: each["id"])
def test_the_time_of_a_data_view_is_a_date_in_the_mapping(view: dict[str, Any]) -> None:
    """Or Kibana could not draw anything over time."""
    fields = mapped_fields({"references": [{"id": view["id"]}]})

    assert fields[view["attributes"]["timeFieldName"]]["type"] == "date"


@pytest.mark.parametrize("chart", of_kind("lens"), ids=lambda each: each["id"])
def test_a_chart_names_fields_that_exist_and_fit_what_is_done_with_them(chart: dict[str, Any]) -> None:
    """A number is averaged, a date is drawn over, a word is counted."""
    fields = mapped_fields(chart)
    for column in columns(chart):
        if column["sourceField"] == RECORDS:
            continue
        kind = fields[column["sourceField"]]["type"]
        assert kind in MEASURED.get(column["operationType"], COUNTED), column
        if column["operationType"] == "date_histogram":
            assert kind == "date"


@pytest.mark.parametrize("chart", CHARTS, ids=lambda each: each.name)
def test_a_charts_filter_names_fields_that_exist(chart: Any) -> None:
    """KQL's words before a colon."""
    named = {words.split()[-1] for words in chart.filter.split(":")[:-1]}

    assert named <= chart.collection.names


def test_references_lead_to_objects_of_the_file() -> None:
    """An import is whole by itself."""
    references = [(each["type"], each["id"]) for object_ in OBJECTS for each in object_["references"]]

    assert set(references) <= BY_ID.keys()
    assert len(BY_ID) == len(OBJECTS)


def test_the_dashboard_shows_every_chart_once() -> None:
    """In panels that do not lie over each other."""
    (dashboard,) = of_kind("dashboard")
    panels = orjson.loads(dashboard["attributes"]["panelsJSON"])
    names = {reference["name"]: reference["id"] for reference in dashboard["references"]}
    shown = [names[f"{panel['panelIndex']}:{panel['panelRefName']}"] for panel in panels]
    places = {(panel["gridData"]["x"], panel["gridData"]["y"]) for panel in panels}

    assert sorted(shown) == sorted(each["id"] for each in of_kind("lens"))
    assert len(places) == len(panels)


def test_features_of_a_model_can_be_drawn_too() -> None:
    """The data view of predictions takes in the indices of every model, whose features have their types."""
    features = [Feature(name="origin", kind=FeatureKind.STRING, nullable=False, dtype="object")]

    assert properties_of(PREDICTIONS, features)["features"]["properties"]["origin"]["type"] == "keyword"
