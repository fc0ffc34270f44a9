"""The `penstock` command: its subcommands by name, and the options that may stand before them."""

from pathlib import Path

import click

from penstock.cli.lazy import LazyCommand, LazyGroup
from penstock.cli.options import CONFIG_HELP, data_dir_help, example

_COMMANDS = {
    "up": LazyCommand("penstock.cli.stack:up", "Run the whole stack in the foreground."),
    "run": LazyCommand("penstock.cli.stack:run", "Run one process of the stack alone."),
    "demo": LazyCommand("penstock.cli.demo:demo", "Score a year's flights and see the whole loop work."),
    "health": LazyCommand("penstock.cli.health:health", "Tell whether one process serves."),
    "doctor": LazyCommand("penstock.cli.doctor:doctor", "Send a probe through every hop and name the broken one."),
    "models": LazyCommand(
        "penstock.cli.models:models", "Register, compare, approve, list and withdraw model versions."
    ),
    "activate": LazyCommand("penstock.cli.activate:activate", "Let a version of a model serve."),
    "retrain": LazyCommand("penstock.cli.retrain:retrain", "Have the version that serves fitted again."),
    "backfill": LazyCommand("penstock.cli.backfill:backfill", "Score stored requests again with another version."),
    "timeline": LazyCommand("penstock.cli.timeline:timeline", "What happened to a model, and what led to what."),
    "automation": LazyCommand("penstock.cli.automation:automation", "What penstock does by itself, and may not do."),
    "rollout": LazyCommand("penstock.cli.rollout:rollout", "Change versions step by step, judged by evidence."),
    "rollback": LazyCommand("penstock.cli.rollout:rollback", "Go back to the version that served before, at once."),
    "shadow": LazyCommand("penstock.cli.shadow:shadow", "Let a version score without serving, and compare it."),
    "decisions": LazyCommand("penstock.cli.decisions:decisions", "See what was decided, and make it again."),
    "score": LazyCommand("penstock.cli.score:score", "Score the rows of a file into another, without Kafka."),
    "requests": LazyCommand("penstock.cli.requests:requests", "Publish inference requests."),
    "labels": LazyCommand("penstock.cli.labels:labels", "Publish labels: what turned out to be true."),
    "predictions": LazyCommand("penstock.cli.predictions:predictions", "Read predictions from their topic."),
    "query": LazyCommand("penstock.cli.query:query", "Ask the analysts' store in its own language."),
    "store": LazyCommand("penstock.cli.store:store", "Make, compare and prune the analysts' store."),
    "report": LazyCommand("penstock.cli.report:report", "What a model did: predictions and errors."),
    "dead-letters": LazyCommand("penstock.cli.dead_letters:dead_letters", "See what could not be processed, and why."),
    "ledger": LazyCommand("penstock.cli.ledger:ledger", "Prove that nothing was lost and nothing counted twice."),
    "losses": LazyCommand("penstock.cli.losses:losses", "Accept that deleted records are lost."),
    "topics": LazyCommand("penstock.cli.topics:topics", "List, create and describe penstock's topics."),
    "schema": LazyCommand("penstock.cli.schema:schema", "Show how requests of a model are written."),
}


@click.group(
    cls=LazyGroup,
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("penstock up", "penstock models add flights model.skops --sample sample.csv --target late"),
)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help=data_dir_help())
@click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help=CONFIG_HELP)
@click.version_option(package_name="penstock", prog_name="penstock")
def root(data_dir: Path | None, config: Path | None) -> None:
    """Event-driven streaming inference on Kafka.

    Requests come in on topics, the active version of a model scores each exactly once, predictions
    go out on topics and into a store that can be queried.
    """
