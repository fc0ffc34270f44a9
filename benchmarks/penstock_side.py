"""penstock as a contender: a model registered and activated by its own commands, scorers run alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender_spec import Contender
from benchmarks.workload import MODEL, Workload
from penstock.wiring import schema_registry
from runtime.groups import scorer_group
from runtime.settings import load_settings
from tests.stack import command, penstock, penstock_json, running_stack

PARTITIONS = 8
VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The benchmark's model as it is served: topics, schemas and the estimator's file."""

    requests_topic: str
    predictions_topic: str
    request_schema: str
    request_schema_id: int
    prediction_schema: str
    prediction_schema_id: int
    model_file: Path


def serve_model(
    workload: Workload,
    *,
    bootstrap_servers: str,
    folder: Path,
    prefix: str = "",
    others: Sequence[tuple[Path, Path]] = (),
    then: Sequence[str] = (),
) -> ServedModel:
    """Register and activate the model on a stack that is stopped again; what it decided stays on the broker.

    `prefix`: of its topics. `others`: model files and samples of further versions. `then`: one command more.
    """
    config = write_config(folder, bootstrap_servers=bootstrap_servers, decoder="arrow", prefix=prefix)
    model, sample = workload.write_model(folder)
    data_dir = folder / "data"
    with running_stack(data_dir, config=config):
        for file, rows in ((model, sample), *others):
            penstock("models", "add", MODEL, str(file), "--sample", str(rows), "--target", "target",
                     data_dir=data_dir, config=config)  # fmt: skip
        penstock("activate", MODEL, VERSION, data_dir=data_dir, config=config)
        if then:
            penstock(*then, data_dir=data_dir, config=config)
        shown = penstock_json("schema", "show", MODEL, data_dir=data_dir, config=config)
    registry = schema_registry(load_settings(config, data_dir=data_dir))
    prediction_schema_id, prediction_schema = registry.latest(f"{shown['predictions_topic']}-value")
    return ServedModel(
        requests_topic=shown["topic"],
        predictions_topic=shown["predictions_topic"],
        request_schema=registry.schema(shown["schema_id"]),
        request_schema_id=shown["schema_id"],
        prediction_schema=prediction_schema,
        prediction_schema_id=prediction_schema_id,
        model_file=model,
    )


def scorer(
    served: ServedModel, *, bootstrap_servers: str, folder: Path, decoder: str, records: int, prefix: str = ""
) -> Contender:
    """One exactly-once scorer with that decoder."""
    config = write_config(folder, bootstrap_servers=bootstrap_servers, decoder=decoder, prefix=prefix)
    return Contender(
        name=f"penstock, exactly-once, {decoder}",
        command=tuple(command("run", "scorer", "--slot", "0", data_dir=folder / "data", config=config)),
        group=scorer_group(prefix),
        output_topic=served.predictions_topic,
        output_schema=served.prediction_schema,
        records=records,
    )


def write_config(folder: Path, *, bootstrap_servers: str, decoder: str, prefix: str = "") -> Path:
    """A configuration that differs from the defaults in nothing but the broker, the topics' prefix and the decoder."""
    path = folder / f"penstock-{decoder}.toml"
    path.write_text(
        f'[kafka]\nbootstrap_servers = "{bootstrap_servers}"\n\n'
        f'[topics]\npartitions = {PARTITIONS}\nprefix = "{prefix}"\n\n'
        f'[scoring]\ndecoder = "{decoder}"\n',
        encoding="utf-8",
    )
    return path
