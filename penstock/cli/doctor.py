"""`penstock doctor`: which hop is broken."""

from dataclasses import asdict

import click

from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, say
from penstock.doctor.hops import Finding, broken_hop, examine
from penstock.doctor.probes import Probes
from penstock.errors import HopBrokenError
from runtime.settings import Settings

_MARKS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}


@click.command(epilog=example("penstock doctor", "penstock doctor --json --timeout 5"))
@click.option(
    "--timeout", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="Seconds for each hop."
)
@with_json
@with_settings()
def doctor(settings: Settings, *, timeout: float, as_json: bool) -> None:
    """Send a probe through every hop and name the broken one; exit code 1 if there is one."""
    findings = []
    for finding in examine(Probes(settings=settings, timeout_s=timeout).hops()):
        findings.append(finding)
        if not as_json:
            _print(finding)
    broken = broken_hop(findings)
    if as_json:
        print_json(
            {
                "ok": broken is None,
                "broken": None if broken is None else broken.hop,
                "hops": [asdict(finding) for finding in findings],
            }
        )
    if broken is not None:
        raise HopBrokenError(broken.hop, f"{broken.detail}; {broken.remedy}; see {broken.runbook}")
    if not as_json:
        say("every hop works")


def _print(finding: Finding) -> None:
    line = f"{_MARKS[finding.state]}  {finding.hop:<16} {finding.detail}"
    click.echo("\n".join([line, *(f"{'':25}{each}" for each in (finding.remedy, finding.runbook) if each)]))
