"""Whether a version may leave the state `registered`: what workers check, and what the policy asks besides.

A bundle as read comes in; every check with its result goes out. Workers do only the checks of
`registry/checks.py`: time and memory depend on the machine, and criteria are judged once.
"""

from collections.abc import Callable, Iterator, Mapping

from registry.bundles import Bundle
from registry.checks import Check, Inspection
from registry.criteria import findings
from registry.errors import BundleRefusedError
from registry.measuring import PeakMemory, latency_ms
from registry.skops_file import LoadLimits
from runtime.settings import PolicySettings

ROWS_ONE, ROWS_THOUSAND = 1, 1_000
Step = Callable[[], str]


class Validation:
    """The checks of one bundle, in order; `request_schema` is the caller's, who knows the schemas."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        limits: LoadLimits,
        policy: PolicySettings,
        load_timeout_s: float,
        request_schema: Step,
    ) -> None:
        self._bundle = bundle
        self._policy = policy
        self._load_timeout_s = load_timeout_s
        self._memory = PeakMemory()
        self._inspection = Inspection(bundle, limits)
        self._steps: Mapping[str, Step] = {
            **self._inspection.steps,
            "load_time": self._load_time,
            "latency": self._latency,
            "memory": self._memory_growth,
            "request_schema": request_schema,
            "policy": self._criteria,
        }

    def checks(self) -> Iterator[Check]:
        """Every check with its result; those that rely on one that failed are not run and say so."""
        failed = False
        for name, step in self._steps.items():
            if failed:
                yield Check(name=name, passed=False, detail="not run, since a check before it failed")
                continue
            try:
                yield Check(name=name, passed=True, detail=step())
            except BundleRefusedError as error:
                failed = True
                yield Check(name=name, passed=False, detail=error.detail)

    def _load_time(self) -> str:
        load_s, limit_s = self._inspection.load_s, self._load_timeout_s
        if load_s > limit_s:
            raise BundleRefusedError(
                "load_time", f"loading took {load_s:.1f} s and registry.load_timeout_s is {limit_s:g}"
            )
        return f"{load_s:.3f} s of {limit_s:g} s"

    def _latency(self) -> str:
        budget = self._policy.budget
        version, rows = self._inspection.loaded(), self._inspection.golden_rows
        one = latency_ms(version, rows, batch_rows=ROWS_ONE)
        thousand = latency_ms(version, rows, batch_rows=ROWS_THOUSAND)
        limits = {
            "latency_one_ms_max": ("one row", one, budget.latency_one_ms_max),
            "latency_thousand_ms_max": ("1,000 rows", thousand, budget.latency_thousand_ms_max),
        }
        over = [
            f"{what} took {taken:.3g} ms and policy.budget.{setting} is {limit:g}"
            for setting, (what, taken, limit) in limits.items()
            if taken > limit
        ]
        if over:
            raise BundleRefusedError("latency", "; ".join(over))
        return "; ".join(f"{what} in {taken:.3g} ms of {limit:g} ms" for what, taken, limit in limits.values())

    def _memory_growth(self) -> str:
        grown, limit = self._memory.growth_bytes(), self._policy.budget.memory_bytes_max
        if grown > limit:
            detail = f"loading and scoring took {grown:,} bytes and policy.budget.memory_bytes_max is {limit:,}"
            raise BundleRefusedError("memory", detail)
        return f"{grown:,} bytes of {limit:,}"

    def _criteria(self) -> str:
        manifest = self._bundle.manifest
        found = findings(
            manifest.metrics, manifest.baseline, criteria=self._policy.criteria, task=manifest.signature.task
        )
        failed = [each.words for each in found if not each.holds]
        of = f"on {manifest.metrics_of}"
        if failed:
            raise BundleRefusedError("policy", f"{of}: {'; '.join(failed)}")
        return f"{of}: {'; '.join(each.words for each in found)}" if found else "no criteria are set for this task"
