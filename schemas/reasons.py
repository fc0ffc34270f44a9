"""Why a record was dead-lettered, and at which stage: closed sets, part of the public contract."""

from enum import StrEnum


class Stage(StrEnum):
    """Where in the data plane a record was found to be at fault."""

    DECODE = "decode"
    VALIDATE = "validate"
    SCORE = "score"
    ENCODE = "encode"
    JOIN = "join"
    STORE = "store"


class Reason(StrEnum):
    """Why one record could not be processed; each has its remedy in `REMEDIES`."""

    TOMBSTONE = "tombstone"
    EMPTY_VALUE = "empty_value"
    OVERSIZE = "oversize"
    BAD_MAGIC_BYTE = "bad_magic_byte"
    UNKNOWN_SCHEMA_ID = "unknown_schema_id"
    INCOMPATIBLE_SCHEMA = "incompatible_schema"
    TRUNCATED = "truncated"
    TRAILING_BYTES = "trailing_bytes"
    MALFORMED = "malformed"
    MISSING_FEATURE = "missing_feature"
    WRONG_TYPE = "wrong_type"
    MISSING_ID = "missing_id"
    NO_KEY = "no_key"
    KEY_MISMATCH = "key_mismatch"
    EVENT_TIME_OUT_OF_BOUNDS = "event_time_out_of_bounds"
    MISSING_VALUE = "missing_value"
    NOT_FINITE = "not_finite"
    UNKNOWN_CATEGORY = "unknown_category"
    ESTIMATOR_ERROR = "estimator_error"
    SCORE_NOT_FINITE = "score_not_finite"
    VERSION_QUARANTINED = "version_quarantined"
    WRONG_PARTITION = "wrong_partition"
    WRONG_MODEL = "wrong_model"
    UNKNOWN_CLASS = "unknown_class"
    NEGATIVE_WEIGHT = "negative_weight"
    REJECTED_BY_STORE = "rejected_by_store"


REMEDIES: dict[Reason, str] = {
    Reason.TOMBSTONE: "send a value: records can't be deleted by key",
    Reason.EMPTY_VALUE: "send an Avro value with the Confluent framing",
    Reason.OVERSIZE: "send a smaller value, or raise scoring.value_bytes_max",
    Reason.BAD_MAGIC_BYTE: "start the value with byte 0 and the four-byte schema id",
    Reason.UNKNOWN_SCHEMA_ID: "register the writer's schema first and frame with its id",
    Reason.INCOMPATIBLE_SCHEMA: "write with a schema that the model's request schema can read",
    Reason.TRUNCATED: "send the whole record: the value ends before its schema does",
    Reason.TRAILING_BYTES: "send one record per value: bytes are left after its end",
    Reason.MALFORMED: "encode with the schema named by the id in the frame",
    Reason.MISSING_FEATURE: "add the feature to the writer's schema",
    Reason.WRONG_TYPE: "give the feature the type that the request schema states; classes travel as text, true values "
    "of a regression as numbers",
    Reason.MISSING_ID: "fill request_id and entity_id: they can't be empty",
    Reason.NO_KEY: "set the message key to the entity_id",
    Reason.KEY_MISMATCH: "set the message key to the same entity_id as the value carries",
    Reason.EVENT_TIME_OUT_OF_BOUNDS: "fix the producer's clock, or widen scoring.event_time_past_max_s "
    "and scoring.event_time_ahead_max_s (off for replays)",
    Reason.MISSING_VALUE: "fill the feature: the version was trained without missing values",
    Reason.NOT_FINITE: "send a finite number: NaN and infinity are not allowed here",
    Reason.UNKNOWN_CATEGORY: "send a category that the version knows, or retrain it to ignore unknown ones",
    Reason.ESTIMATOR_ERROR: "read the detail: the estimator raised on this row alone",
    Reason.SCORE_NOT_FINITE: "read the features: the estimator answered with NaN or infinity",
    Reason.VERSION_QUARANTINED: "the version hung or ran out of memory twice: activate another one",
    Reason.WRONG_PARTITION: "partition by murmur2 of the key (librdkafka: partitioner=murmur2_random)",
    Reason.WRONG_MODEL: "send the label to the labels topic of the model that it names",
    Reason.UNKNOWN_CLASS: "send a class that some version of the model knows, spelled as `penstock models show` does; "
    "for a class that is new, register a version that knows it first",
    Reason.NEGATIVE_WEIGHT: "give the label a weight of 0 or more, or none, which is 1",
    Reason.REJECTED_BY_STORE: "read the detail: these are the store's own words",
}

STAGES: dict[Reason, Stage] = {
    Reason.TOMBSTONE: Stage.DECODE,
    Reason.EMPTY_VALUE: Stage.DECODE,
    Reason.OVERSIZE: Stage.DECODE,
    Reason.BAD_MAGIC_BYTE: Stage.DECODE,
    Reason.UNKNOWN_SCHEMA_ID: Stage.DECODE,
    Reason.INCOMPATIBLE_SCHEMA: Stage.DECODE,
    Reason.TRUNCATED: Stage.DECODE,
    Reason.TRAILING_BYTES: Stage.DECODE,
    Reason.MALFORMED: Stage.DECODE,
    Reason.MISSING_FEATURE: Stage.DECODE,
    Reason.WRONG_TYPE: Stage.DECODE,
    Reason.MISSING_ID: Stage.DECODE,
    Reason.NO_KEY: Stage.VALIDATE,
    Reason.KEY_MISMATCH: Stage.VALIDATE,
    Reason.EVENT_TIME_OUT_OF_BOUNDS: Stage.VALIDATE,
    Reason.MISSING_VALUE: Stage.VALIDATE,
    Reason.NOT_FINITE: Stage.VALIDATE,
    Reason.UNKNOWN_CATEGORY: Stage.SCORE,
    Reason.ESTIMATOR_ERROR: Stage.SCORE,
    Reason.SCORE_NOT_FINITE: Stage.SCORE,
    Reason.VERSION_QUARANTINED: Stage.SCORE,
    Reason.WRONG_PARTITION: Stage.JOIN,
    Reason.WRONG_MODEL: Stage.JOIN,
    Reason.UNKNOWN_CLASS: Stage.JOIN,
    Reason.NEGATIVE_WEIGHT: Stage.JOIN,
    Reason.REJECTED_BY_STORE: Stage.STORE,
}


class TrainingFault(StrEnum):
    """Why a retrain gave no candidate; each has its remedy in `TRAINING_REMEDIES`."""

    NO_VERSION = "no_version"
    VERSION_UNUSABLE = "version_unusable"
    PERSONAL_FEATURES = "personal_features"
    TOO_FEW_ROWS = "too_few_rows"
    CLASS_TOO_RARE = "class_too_rare"
    UNKNOWN_CLASS = "unknown_class"
    CONSTANT_TRUTH = "constant_truth"
    FIT_REFUSED = "fit_refused"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    NOT_AS_GOOD = "not_as_good"
    NOT_VALIDATED = "not_validated"


TRAINING_REMEDIES: dict[TrainingFault, str] = {
    TrainingFault.NO_VERSION: "activate a version first: a retrain fits the serving version's own pipeline again",
    TrainingFault.VERSION_UNUSABLE: "read the detail: the version's bundle can't be opened any more; "
    "`penstock models verify` says which check fails",
    TrainingFault.PERSONAL_FEATURES: "train it yourself and add it: personal features are in no store",
    TrainingFault.TOO_FEW_ROWS: "wait for more labels, ask for a longer stretch with --since, "
    "or lower trainer.rows_min",
    TrainingFault.CLASS_TOO_RARE: "wait for more labels, ask for a longer stretch with --since, "
    "or lower trainer.class_rows_min",
    TrainingFault.UNKNOWN_CLASS: "correct these labels, or fit and add a version that knows the class",
    TrainingFault.CONSTANT_TRUTH: "look at the labels: all of them are the same value, and nothing can be learned",
    TrainingFault.FIT_REFUSED: "read the detail: the pipeline can't be fitted on these outcomes, or not be served",
    TrainingFault.TIMED_OUT: "raise trainer.fit_timeout_s, or lower trainer.rows_max",
    TrainingFault.OUT_OF_MEMORY: "raise trainer.memory_bytes_max, or lower trainer.rows_max",
    TrainingFault.CRASHED: "read the detail: the fit ended its process",
    TrainingFault.NOT_AS_GOOD: "look at the data: on the newest outcomes the serving version does better",
    TrainingFault.NOT_VALIDATED: "read the detail: `penstock models verify` says which check failed",
}
