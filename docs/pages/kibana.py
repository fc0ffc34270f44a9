"""Saved objects for Kibana: a data view for each kind of document, and a dashboard of Lens charts over them.

Derived from the declared collections, so that no chart names a field that the indices do not have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from consumers.sinks.elasticsearch_mappings import properties_of
from consumers.sinks.elasticsearch_names import IndexNames
from consumers.stored_collections import (
    COHORTS,
    COLLECTIONS,
    DEAD_LETTERS,
    LOGS,
    MODEL_EVENTS,
    OUTCOMES,
    PERFORMANCE,
    PREDICTIONS,
    SIGNALS,
    Collection,
)
from runtime.settings import StoreSettings

LAYER = "layer"
RECORDS = "___records___"
COLUMNS_WIDE = 48
PANEL_HIGH = 13
_KIBANA = "8.19.0"
_DASHBOARD = "penstock-dashboard"
_NAMES = IndexNames(StoreSettings().index_prefix)
_DATA_TYPES = {"keyword": "string", "long": "number", "double": "number", "date": "date", "boolean": "boolean"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a chart: a Lens operation on a field, with the operation's parameters."""

    label: str
    operation: str
    field: str
    parameters: Mapping[str, Any]
    bucketed: bool = False

    def state(self, collection: Collection) -> Json:
        """As Lens keeps it."""
        kind = "number"
        if self.bucketed or self.operation == "max":
            kind = _DATA_TYPES[properties_of(collection)[self.field]["type"]]
        return {
            "label": self.label,
            "customLabel": True,
            "dataType": kind,
            "operationType": self.operation,
            "sourceField": self.field,
            "isBucketed": self.bucketed,
            "scale": _SCALES[self.operation] if self.bucketed else "ratio",
            "params": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One panel: what it asks, of which documents, and how it is drawn; `filter` is in KQL."""

    name: str
    title: str
    collection: Collection
    columns: Sequence[Column]
    drawn: str
    filter: str = ""


_SCALES = {"date_histogram": "interval", "terms": "ordinal", "range": "interval"}


def _over_time(collection: Collection) -> Column:
    return Column(
        label=collection.time,
        operation="date_histogram",
        field=collection.time,
        parameters={"interval": "auto", "includeEmptyRows": False, "dropPartials": False},
        bucketed=True,
    )


def _by(field: str, size: int = 10) -> Column:
    """The most frequent values of a field, by the chart's last column."""
    parameters = {"size": size, "orderDirection": "desc", "otherBucket": False, "missingBucket": False}
    return Column(label=field, operation="terms", field=field, parameters=parameters, bucketed=True)


def _spread(field: str) -> Column:
    parameters = {"type": "histogram", "ranges": [], "maxBars": "auto", "includeEmptyRows": False}
    return Column(label=field, operation="range", field=field, parameters=parameters, bucketed=True)


def _count(label: str) -> Column:
    return Column(label=label, operation="count", field=RECORDS, parameters={"emptyAsNull": True})


def _average(field: str) -> Column:
    return Column(label=f"mean {field}", operation="average", field=field, parameters={"emptyAsNull": True})


def _sum(field: str) -> Column:
    return Column(label=field, operation="sum", field=field, parameters={"emptyAsNull": True})


def _newest(field: str) -> Column:
    return Column(label=f"newest {field}", operation="max", field=field, parameters={"emptyAsNull": True})


def _percentile(field: str, percentile: int) -> Column:
    label = f"{field}, {percentile} %"
    return Column(label=label, operation="percentile", field=field, parameters={"percentile": percentile})


CHARTS = (
    Chart(
        name="predictions",
        title="Predictions by version",
        collection=PREDICTIONS,
        columns=(_over_time(PREDICTIONS), _by("version"), _count("predictions")),
        drawn="bar_stacked",
    ),
    Chart(
        name="scores",
        title="How scores are spread, by version",
        collection=PREDICTIONS,
        columns=(_spread("score"), _by("version"), _count("predictions")),
        drawn="line",
    ),
    Chart(
        name="latency",
        title="From Kafka's taking a request to its being scored, ms",
        collection=PREDICTIONS,
        columns=(_over_time(PREDICTIONS), _percentile("latency_ms", 50), _percentile("latency_ms", 99)),
        drawn="line",
    ),
    Chart(
        name="behind",
        title="How far behind: the newest answer of each model",
        collection=PREDICTIONS,
        columns=(_by("model", 100), _newest("requested_at"), _newest("scored_at"), _count("predictions")),
        drawn="table",
    ),
    Chart(
        name="loss",
        title="Mean loss of what is known, by version",
        collection=OUTCOMES,
        columns=(_over_time(OUTCOMES), _by("version"), _average("loss")),
        drawn="line",
        filter="role: live and retracted: false",
    ),
    Chart(
        name="coverage",
        title="How much of it is known: coverage and maturity",
        collection=PERFORMANCE,
        columns=(_over_time(PERFORMANCE), _average("coverage"), _average("maturity")),
        drawn="line",
        filter="role: live",
    ),
    Chart(
        name="cohorts",
        title="What decisions rest on: closed cohorts by version and arm",
        collection=COHORTS,
        columns=(_by("version"), _by("arm"), _sum("predicted"), _sum("labeled"), _average("loss_mean")),
        drawn="table",
    ),
    Chart(
        name="dead-letters",
        title="Dead letters by reason and producer",
        collection=DEAD_LETTERS,
        columns=(_by("reason", 50), _by("producer", 50), _newest("failed_at"), _count("records")),
        drawn="table",
    ),
    Chart(
        name="history",
        title="What happened to models",
        collection=MODEL_EVENTS,
        columns=(_by("model"), _by("kind", 30), _by("version"), _newest("occurred_at")),
        drawn="table",
    ),
    Chart(
        name="signals",
        title="Signals by kind",
        collection=SIGNALS,
        columns=(_over_time(SIGNALS), _by("kind"), _count("signals")),
        drawn="bar_stacked",
    ),
    Chart(
        name="logs",
        title="Warnings and errors by process",
        collection=LOGS,
        columns=(_over_time(LOGS), _by("service", 30), _count("lines")),
        drawn="bar_stacked",
        filter="level: (warning or error or critical)",
    ),
)


def saved_objects() -> str:
    """Every saved object, one a line, as Kibana exports and imports them."""
    objects = [
        *(_data_view(collection) for collection in COLLECTIONS),
        *(_lens(chart) for chart in CHARTS),
        _dashboard(),
    ]
    return "".join(orjson.dumps(each, option=orjson.OPT_SORT_KEYS).decode() + "\n" for each in objects)


def data_view_id(collection: Collection) -> str:
    return f"penstock-{collection.name}"


def _data_view(collection: Collection) -> Json:
    pattern = _NAMES.pattern(collection)
    attributes = {"title": pattern, "name": f"penstock {collection.name}", "timeFieldName": collection.time}
    return _object("index-pattern", data_view_id(collection), attributes, [])


def _lens(chart: Chart) -> Json:
    ids = [f"{chart.name}-{number}" for number in range(len(chart.columns))]
    states = {id_: column.state(chart.collection) for id_, column in zip(ids, chart.columns, strict=True)}
    for state in states.values():
        if state["operationType"] == "terms":
            state["params"]["orderBy"] = {"type": "column", "columnId": ids[-1]}
    layer = {"columns": states, "columnOrder": ids, "incompleteColumns": {}, "sampling": 1}
    attributes = {
        "title": chart.title,
        "description": chart.collection.doc,
        "visualizationType": "lnsDatatable" if chart.drawn == "table" else "lnsXY",
        "state": {
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "visualization": _drawing(chart, ids),
            "query": {"query": chart.filter, "language": "kuery"},
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    view = {
        "type": "index-pattern",
        "id": data_view_id(chart.collection),
        "name": f"indexpattern-datasource-layer-{LAYER}",
    }
    return _object("lens", f"penstock-{chart.name}", attributes, [view])


def _drawing(chart: Chart, ids: Sequence[str]) -> Json:
    if chart.drawn == "table":
        return {"layerId": LAYER, "layerType": "data", "columns": [{"columnId": each} for each in ids]}
    split = [each for each, column in zip(ids[1:], chart.columns[1:], strict=True) if column.bucketed]
    layer: Json = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": chart.drawn,
        "xAccessor": ids[0],
        "accessors": [each for each in ids[1:] if each not in split],
    }
    if split:
        layer["splitAccessor"] = split[0]
    return {
        "preferredSeriesType": chart.drawn,
        "legend": {"isVisible": True, "position": "right"},
        "valueLabels": "hide",
        "layers": [layer],
    }


def _dashboard() -> Json:
    panels = [_panel(number) for number in range(len(CHARTS))]
    attributes = {
        "title": "penstock",
        "description": "What models said, how right they were, what was refused, and what happened to them.",
        "panelsJSON": orjson.dumps(panels).decode(),
        "optionsJSON": orjson.dumps({"useMargins": True, "hidePanelTitles": False}).decode(),
        "timeRestore": False,
        "version": 1,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": orjson.dumps({"query": {"query": "", "language": "kuery"}, "filter": []}).decode()
        },
    }
    references = [
        {"type": "lens", "id": f"penstock-{chart.name}", "name": f"{number}:panel_{number}"}
        for number, chart in enumerate(CHARTS)
    ]
    return _object("dashboard", _DASHBOARD, attributes, references)


def _panel(number: int) -> Json:
    """Two panels a row."""
    half = COLUMNS_WIDE // 2
    place = {"x": number % 2 * half, "y": number // 2 * PANEL_HIGH, "w": half, "h": PANEL_HIGH, "i": str(number)}
    return {
        "type": "lens",
        "gridData": place,
        "panelIndex": str(number),
        "embeddableConfig": {"enhancements": {}},
        "panelRefName": f"panel_{number}",
    }


def _object(kind: str, id_: str, attributes: Json, references: Sequence[Json]) -> Json:
    return {
        "type": kind,
        "id": id_,
        "attributes": attributes,
        "references": list(references),
        "coreMigrationVersion": _KIBANA,
        "managed": False,
    }
