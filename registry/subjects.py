"""A model's two schemas in the schema registry: requests, which only grow, and predictions, which echo them.

Signatures come in, schema ids go out. A signature that the schemas can't follow is refused
before anything is written.
"""

from registry.catalogue import VersionRecord
from registry.errors import BundleRefusedError, VersionRefusedError
from schemas.compatibility import check_backward
from schemas.errors import SchemaIncompatibleError, SchemaNotFoundError, SignatureError
from schemas.registry_port import SchemaRegistry
from schemas.request_schema import features_of, grow, prediction_schema
from schemas.signature import Signature
from schemas.topics import PREDICTIONS, REQUESTS, Topics


class ModelSchemas:
    """Schemas by model. `SchemaRegistryUnavailableError` passes through every method."""

    def __init__(self, schemas: SchemaRegistry, topics: Topics) -> None:
        self._schemas = schemas
        self._topics = topics

    def check(self, name: str, signature: Signature) -> None:
        """Raises `VersionRefusedError` when the model's request schema can't grow to this signature."""
        current = self._latest(name)
        grown = self._grown(current, name, signature)
        if current is not None:
            try:
                check_backward(grown, current, subject=self._requests(name))
            except SchemaIncompatibleError as error:
                raise VersionRefusedError(str(error)) from error

    def register(self, name: str, signature: Signature) -> tuple[int, int]:
        """Grow both schemas and return their ids, requests first. The caller holds the catalogue's lock."""
        grown = self._grown(self._latest(name), name, signature)
        try:
            request_id = self._schemas.register(self._requests(name), grown)
            prediction = prediction_schema(name, features_of(grown))
            prediction_id = self._schemas.register(f"{self._topics.of(PREDICTIONS, name)}-value", prediction)
        except SchemaIncompatibleError as error:
            raise VersionRefusedError(str(error)) from error
        return request_id, prediction_id

    def check_registered(self, record: VersionRecord, signature: Signature) -> str:
        """Every feature is in the request schema that was recorded. Raises `BundleRefusedError`."""
        try:
            known = {each.name: each for each in features_of(self._schemas.schema(record.request_schema_id))}
            self._schemas.schema(record.prediction_schema_id)
        except SchemaNotFoundError as error:
            raise BundleRefusedError("request_schema", str(error)) from error
        for feature in signature.features:
            found = known.get(feature.name)
            if found is None or found.kind is not feature.kind or (feature.nullable and not found.nullable):
                detail = f"feature {feature.name!r} is not in schema {record.request_schema_id} as the signature has it"
                raise BundleRefusedError("request_schema", detail)
        return f"schema {record.request_schema_id} has all {len(signature.features)} features"

    def _requests(self, name: str) -> str:
        return f"{self._topics.of(REQUESTS, name)}-value"

    def _latest(self, name: str) -> str | None:
        try:
            return self._schemas.latest(self._requests(name))[1]
        except SchemaNotFoundError:
            return None

    def _grown(self, current: str | None, name: str, signature: Signature) -> str:
        try:
            return grow(current, name, signature)
        except SignatureError as error:
            raise VersionRefusedError(str(error)) from error
