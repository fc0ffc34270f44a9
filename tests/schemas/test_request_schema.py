"""A model's request schema holds every feature that any of its versions knows, and only grows."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.compatibility import check_backward
from schemas.errors import SignatureError
from schemas.request_schema import features_of, grow, prediction_schema, request_schema
from schemas.signature import Container, Feature, FeatureKind, Signature, Task

DELAY = Feature(name="dep_delay", kind=FeatureKind.NUMBER, dtype="float64", doc="Minutes late at the gate.")
SEATS = Feature(name="seats", kind=FeatureKind.INTEGER, dtype="int64", nullable=True)
TAIL = Feature(name="tailnum", kind=FeatureKind.STRING, dtype="object", personal=True)
RAIN = Feature(name="rain", kind=FeatureKind.BOOLEAN, dtype="bool")


def signature(*features: Feature) -> Signature:
    """A regression on these features."""
    return Signature(features=features, task=Task.REGRESSION, container=Container.DATAFRAME)


def test_features_are_typed_named_and_documented() -> None:
    """Each feature is one field of its kind, nullable with null as default, with words of its own."""
    schema = json.loads(request_schema("flights", (DELAY, SEATS, TAIL, RAIN)))
    features = schema["fields"][3]["type"]["fields"]

    assert schema["name"] == "InferenceRequest"
    assert [field["name"] for field in schema["fields"]] == ["request_id", "entity_id", "event_time", "features"]
    assert schema["fields"][2]["type"] == {"type": "long", "logicalType": "timestamp-millis"}
    assert features == [
        {"name": "dep_delay", "type": "double", "doc": "Minutes late at the gate."},
        {"name": "seats", "type": ["null", "long"], "doc": "Feature seats, integer.", "default": None},
        {"name": "tailnum", "type": "string", "doc": "Feature tailnum, string.", "personal": True},
        {"name": "rain", "type": "boolean", "doc": "Feature rain, boolean."},
    ]


def test_features_come_back() -> None:
    """Kind, nullability, words and the personal mark are read back from the schema."""
    features = features_of(request_schema("flights", (DELAY, SEATS, TAIL, RAIN)))

    assert [(each.name, each.kind, each.nullable, each.personal) for each in features] == [
        ("dep_delay", FeatureKind.NUMBER, False, False),
        ("seats", FeatureKind.INTEGER, True, False),
        ("tailnum", FeatureKind.STRING, False, True),
        ("rain", FeatureKind.BOOLEAN, False, False),
    ]
    assert features[0].doc == DELAY.doc


def test_prediction_echoes_every_feature_as_nullable() -> None:
    """In a prediction every feature may be missing, the personal one included."""
    schema = prediction_schema("flights", (DELAY, SEATS, TAIL, RAIN))
    fields = {field["name"]: field for field in json.loads(schema)["fields"]}

    assert all(feature.nullable for feature in features_of(schema))
    assert [feature.name for feature in features_of(schema)] == ["dep_delay", "seats", "tailnum", "rain"]
    assert fields["label"]["type"] == ["null", "string"]
    assert fields["probabilities"]["type"] == ["null", {"type": "array", "items": "double"}]
    assert all(field["doc"].endswith(".") for field in fields.values())


def test_first_schema_is_the_signature_itself() -> None:
    """A model's first version decides what can't be missing."""
    assert grow(None, "flights", signature(DELAY, SEATS)) == request_schema("flights", (DELAY, SEATS))


def test_new_feature_is_added_nullable() -> None:
    """A later version's feature may be missing, since older producers do not send it."""
    grown = grow(request_schema("flights", (DELAY,)), "flights", signature(DELAY, RAIN))

    assert [(each.name, each.nullable) for each in features_of(grown)] == [("dep_delay", False), ("rain", True)]


def test_feature_that_a_version_dropped_stays() -> None:
    """A version without a feature leaves it in the schema, where it was."""
    grown = grow(request_schema("flights", (DELAY, SEATS)), "flights", signature(SEATS))

    assert grown == request_schema("flights", (DELAY, SEATS))


def test_feature_may_become_nullable_and_never_back() -> None:
    """A version trained with missing values opens the feature for good."""
    opened = grow(request_schema("flights", (DELAY,)), "flights", signature(replace(DELAY, nullable=True)))
    again = grow(opened, "flights", signature(DELAY))

    assert features_of(opened)[0].nullable
    assert again == opened


def test_change_of_kind_is_refused_by_name() -> None:
    """A feature that changes its kind is named, with both kinds and the remedy."""
    with pytest.raises(SignatureError, match=r"'dep_delay' is number .* and integer in the new version: convert"):
        grow(
            request_schema("flights", (DELAY,)),
            "flights",
            signature(replace(DELAY, kind=FeatureKind.INTEGER)),
        )


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("hour of day", "hour_of_day"), ("a.b", "a_b"), ("2nd", "_2nd"), ("", "feature"), ("caf\u00e9", "caf")],
)
def test_name_that_avro_refuses_is_refused_with_a_remedy(name: str, suggested: str) -> None:
    """A column whose name can't be a field is named, with a name that would do."""
    with pytest.raises(SignatureError) as caught:
        request_schema("flights", (replace(DELAY, name=name),))

    assert f"column {name!r}" in str(caught.value)
    assert f"{suggested!r}" in str(caught.value)


NAMES = st.sampled_from(["a", "b", "c", "d"])
FEATURES = st.builds(
    Feature, name=NAMES, kind=st.sampled_from(FeatureKind), dtype=st.just("object"), nullable=st.booleans()
)
SIGNATURES = st.lists(FEATURES, min_size=1, unique_by=lambda feature: feature.name).map(
    lambda features: signature(*features)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(SIGNATURES, min_size=1, max_size=5))
def test_every_growth_reads_all_before_it(signatures: list[Signature]) -> None:
    """Whatever versions come, each schema reads what was written with any earlier one, predictions too."""
    current, earlier = None, []
    for each in signatures:
        try:
            current = grow(current, "m", each)
        except SignatureError:
            continue
        earlier.append(current)
        for written in earlier:
            check_backward(current, written)
            check_backward(prediction_schema("m", features_of(current)), prediction_schema("m", features_of(written)))
        assert set(each.names) <= {feature.name for feature in features_of(current)}
