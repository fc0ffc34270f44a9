"""`penstock score`: the rows of a file, scored into another file."""

from collections.abc import Mapping
from pathlib import Path

import click

from penstock import wiring
from penstock.cli.arguments import READABLE_FILE, ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, say
from penstock.cli.sending import FAULTS_KEPT, FAULTS_SAID, rows_progress
from penstock.cli.versions import find_version, newest_version
from penstock.errors import RowsNotScoredError
from penstock.file_scoring import FileScorer, Personal, ScoredFile, open_output
from producers.personal import with_tokens
from producers.requests import personal_key
from producers.sources.request_rows import Value
from producers.sources.tabular import open_table
from runtime.settings import Settings
from schemas.signature import Signature


@click.command(
    epilog=example(
        "penstock score flights april.parquet --output scored.parquet --keep request_id",
        "penstock score flights april.csv --output scored.csv --version 2 --keep tailnum",
    )
)
@click.argument("name", type=ModelName())
@click.argument("file", type=READABLE_FILE)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Where scores go, in csv, jsonl or parquet by its ending; an existing file is replaced.",
)
@click.option("--version", help="Which version scores.  [default: the newest]")
@click.option("--keep", multiple=True, metavar="COL", help="Column to go along with the scores; repeatable.")
@with_json
@with_settings()
def score(
    settings: Settings,
    name: str,
    file: Path,
    *,
    output: Path,
    version: str | None,
    keep: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score the rows of FILE (csv, jsonl or parquet) with a version of the model NAME, without Kafka.

    Every row that fits is scored as a request with the same features would be. A row that does
    not fit is named with its number and the reason; the others are scored.
    """
    table = open_table(file)
    catalogue = wiring.catalogue(settings)
    record = newest_version(catalogue, name) if version is None else find_version(catalogue, name, version)
    loaded = wiring.shelf(settings).open_to_try(name, record.version, bundle=record.bundle)
    table.require(*keep, *(feature.name for feature in loaded.signature.features if not feature.nullable))
    scorer = FileScorer(loaded, keep=keep, tokenized=_tokenizer(settings, name, loaded.signature))
    with rows_progress("scored") as show, open_output(output, scorer.schema) as writer:
        result = scorer.score(table, writer, shown=lambda done: show(done.scored, len(done.refused)))
    _finish(result, name, loaded.version, output, as_json=as_json)


def _tokenizer(settings: Settings, name: str, signature: Signature) -> Personal:
    personal = tuple(feature.name for feature in signature.features if feature.personal)
    key = personal_key(settings, name, personal)

    def tokenized(values: Mapping[str, Value]) -> Mapping[str, object]:
        return values if key is None else with_tokens(values, personal, key)

    return tokenized


def _finish(result: ScoredFile, name: str, version: str, output: Path, *, as_json: bool) -> None:
    for refused in result.refused[:FAULTS_SAID]:
        say(f"row {refused.row}: {refused.detail}")
    if len(result.refused) > FAULTS_SAID:
        say("more rows are refused; --json lists the first thousand")
    if as_json:
        faults = [
            {"row": each.row, "reason": each.reason, "detail": each.detail} for each in result.refused[:FAULTS_KEPT]
        ]
        print_json(
            {
                "model": name,
                "version": version,
                "output": str(output),
                "scored": result.scored,
                "refused": len(result.refused),
                "faults": faults,
            }
        )
    else:
        say(f"{result.scored} rows scored by version {version} into {output}, {len(result.refused)} refused")
    if result.refused:
        raise RowsNotScoredError(refused=len(result.refused), scored=result.scored)
