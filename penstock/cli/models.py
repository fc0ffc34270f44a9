"""`penstock models`: versions on the shelf, what they are and what became of them."""

import click

from penstock.cli.lazy import LazyCommand, LazyGroup
from penstock.cli.options import example

_COMMANDS = {
    "add": LazyCommand("penstock.cli.adding:add", "Register an estimator as a version and validate it."),
    "list": LazyCommand("penstock.cli.listing:list_versions", "List versions with what each is now."),
    "show": LazyCommand("penstock.cli.listing:show", "Show what a version is: signature, libraries, metrics."),
    "compare": LazyCommand("penstock.cli.comparing:compare_versions", "Show two versions side by side."),
    "history": LazyCommand("penstock.cli.history:history", "Show what happened, with who, when and why."),
    "verify": LazyCommand("penstock.cli.adding:verify", "Run every check of a version again."),
    "keygen": LazyCommand("penstock.cli.approving:keygen", "Make a pair of keys for a person who approves."),
    "approve": LazyCommand("penstock.cli.approving:approve", "Approve a version with a signature."),
    "reject": LazyCommand("penstock.cli.approving:reject", "Reject a version with a signature."),
    "bar": LazyCommand("penstock.cli.withdrawing:bar", "Let a version serve by no path for now."),
    "unbar": LazyCommand("penstock.cli.withdrawing:unbar", "Lift the bar from a version."),
    "retire": LazyCommand("penstock.cli.withdrawing:retire", "End the life of a version."),
}


@click.group(
    cls=LazyGroup,
    table=_COMMANDS,
    epilog=example(
        "penstock models add flights model.skops --sample sample.parquet --target late", "penstock models list"
    ),
)
def models() -> None:
    """Register, compare, approve and list model versions, and take them out of use."""
