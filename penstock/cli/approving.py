"""`penstock models keygen|approve|reject`: who may sign, and what they say of a version."""

from pathlib import Path

import click

from penstock import wiring
from penstock.cli.arguments import READABLE_FILE, ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json, say
from penstock.cli.versions import find_version
from penstock.commanding import command
from penstock.errors import NotAnApproverError
from penstock.person import person
from registry.bundles import sound_bundle
from registry.signing import make_key, read_key
from registry.statements import Statement, Verdict
from runtime.clock import SystemClock
from runtime.settings import PolicySettings, Settings

_KEY = click.option("--key", type=READABLE_FILE, required=True, help="The approver's private key, of `models keygen`.")
_REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; signed, kept and shown to others.")
_TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait."
)


@click.command(epilog=example("penstock models keygen ann.key"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--person", "name", metavar="NAME", help="Whose key it is.  [default: the user's name]")
@with_json
@with_settings()
def keygen(_settings: Settings, file: Path, *, name: str | None, as_json: bool) -> None:
    """Make a pair of keys for a person who approves versions, the private one in FILE.

    Only its owner may read the file, and it is never printed; whoever has it can approve in that
    person's name. The public key goes into the settings of every process.
    """
    key, who = make_key(file), name or person()
    say(f"keep {file} to yourself; put the public key into policy.approvers, as below, wherever penstock runs")
    answer = {"person": who, "key_file": str(file), "public_key": key.public_key}
    if as_json:
        print_json(answer)
    else:
        click.echo(f'[policy.approvers]\n{who} = ["{key.public_key}"]')


@click.command(
    epilog=example("penstock models approve flights 2 --key ann.key --reason 'better on June, same features'")
)
@click.argument("name", type=ModelName())
@click.argument("version")
@_KEY
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def approve(
    settings: Settings, name: str, version: str, *, key: Path, reason: str, timeout: float, as_json: bool
) -> None:
    """Approve VERSION of the model NAME, with a signature over all of its bundle.

    How many approvals it takes, and by whom, is said by the settings in `policy`; every worker
    checks them before it opens the version.
    """
    _say(settings, name, version, Verdict.APPROVE, key=key, reason=reason, timeout=timeout, as_json=as_json)


@click.command(epilog=example("penstock models reject flights 2 --key ann.key --reason 'trained on test data'"))
@click.argument("name", type=ModelName())
@click.argument("version")
@_KEY
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def reject(
    settings: Settings, name: str, version: str, *, key: Path, reason: str, timeout: float, as_json: bool
) -> None:
    """Reject VERSION of the model NAME: it can't serve until the same person approves it after all.

    Refused while it serves: activate another version first.
    """
    _say(settings, name, version, Verdict.REJECT, key=key, reason=reason, timeout=timeout, as_json=as_json)


def _say(
    settings: Settings,
    name: str,
    version: str,
    verdict: Verdict,
    *,
    key: Path,
    reason: str,
    timeout: float,
    as_json: bool,
) -> None:
    signing = read_key(key)
    record = find_version(wiring.catalogue(settings), name, version)
    # What is signed is what was registered: a bundle that has changed since is not vouched for.
    sound_bundle(settings.registry_dir / "bundles", record.bundle, bytes_max=settings.registry.bundle_bytes_max)
    statement = Statement(
        model=name,
        version=version,
        bundle=record.bundle,
        verdict=verdict,
        person=_approver(settings.policy, signing.public_key),
        reason=reason,
        decided_at=SystemClock().now_ms(),
    )
    arguments = statement.signed(signing).as_texts()
    entry = command(settings, verdict.value, name, arguments=arguments, wait_s=timeout)
    answer = {
        "model": name,
        "version": version,
        "person": statement.person,
        "answer": entry.reason,
        "command_id": entry.command_id,
    }
    (print_json if as_json else print_fields)(answer)


def _approver(policy: PolicySettings, public_key: str) -> str:
    """Whose key it is. Raises `NotAnApproverError`."""
    for name, keys in policy.approvers.items():
        if public_key in keys:
            return name
    raise NotAnApproverError(public_key)
