"""The monitor's process: one lane that turns profiles and cohorts into signals."""

import threading
from collections.abc import Callable

import structlog

from penstock import wiring
from penstock.roles.lanes import LanePlan, build_lane, dead_letter_writer
from registry.bundles import read_manifest
from registry.catalogue import VersionState
from registry.errors import BundleRefusedError, ShelfUnavailableError
from registry.manifest import Manifest
from runtime.clock import SystemClock
from runtime.groups import monitor_group
from runtime.kafka import cluster_id, ensure_topics
from runtime.metrics import Meters
from runtime.process import Body
from runtime.range_reader import RangeReader
from runtime.settings import DriftSettings, Settings
from runtime.watchdog import Watchdog
from schemas.signature import Task
from streams.drift.errors import VersionsUnavailableError
from streams.drift.losses import LossRules
from streams.drift.request_rate import RateRules
from streams.drift.step import MonitorStep
from streams.drift.version_watch import WatchedVersion, WatchRules
from streams.drift.watches import FindVersion, MonitorRules, Watches
from streams.scoring.signals import SignalWriter

_log = structlog.get_logger("penstock.monitor")


def build_body(settings: Settings, slot: int, meters: Meters) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        watchdog = Watchdog(memory_bytes_max=settings.scoring.memory_bytes_max)
        watchdog.start()
        clock, topics, codec = SystemClock(), wiring.topics(settings), wiring.codec(settings)
        cluster, service = cluster_id(settings.kafka), f"monitor-{slot}"
        signals = SignalWriter(topics=topics, codec=codec, clock=clock, cluster_id=cluster, service=service)
        find, rules = find_version(settings), monitor_rules(settings.drift)
        step = MonitorStep(
            build_watches=lambda: Watches(find, rules),
            read_again=lambda ranges: RangeReader(settings.kafka, ranges),
            silence_every_ms=rules.rate.window_ms,
            records_again_max=settings.drift.records_again_max,
            topics=topics,
            codec=codec,
            clock=clock,
            dead_letters=dead_letter_writer(
                settings, service, topics=topics, codec=codec, clock=clock, cluster_id=cluster
            ),
            meters=meters,
        )
        plan = LanePlan(
            name="monitor",
            group=monitor_group(settings.topics.prefix),
            # One monitor watches, whatever slots others were given: the newest fences those before it.
            slot=0,
            meters=meters,
            step=step,
            keeper=step,
            cluster_id=cluster,
            model_of=None,
            loss_signal=signals.records_lost,
        )
        build_lane(settings, plan, topics=topics, codec=codec, clock=clock, watchdog=watchdog).run(stop, ready=ready)

    return run


def monitor_rules(settings: DriftSettings) -> MonitorRules:
    """What is watched for, by the settings."""
    return MonitorRules(
        watch=WatchRules(
            rows_per_false_alarm=settings.rows_per_false_alarm,
            losses=LossRules(
                rise=settings.loss_detector,
                margin=settings.loss_margin,
                labels_per_false_alarm=settings.labels_per_false_alarm,
                coverage_min=settings.coverage_min,
            ),
        ),
        rate=RateRules(window_ms=max(round(settings.rate_window_s * 1_000), 1), factor=settings.rate_factor),
    )


def find_version(settings: Settings) -> FindVersion:
    """Looks versions up on the shelf; a bundle that is no longer as it was registered is not watched."""
    bundles = settings.registry_dir / "bundles"

    def find(model: str, version: str, bundle: str | None) -> WatchedVersion | None:
        try:
            known = wiring.catalogue(settings).records(model)
            records = [record for record in known if record.state is not VersionState.REJECTED]
            name = bundle or next((record.bundle for record in records if record.version == version), None)
            if name is None:
                _log.error("version is not watched: it is not on the shelf", model=model, version=version)
                return None
            manifest = read_manifest(bundles, name)
            scale = _scale_of_first(settings, [record.bundle for record in records], manifest)
        except ShelfUnavailableError as error:
            raise VersionsUnavailableError(f"version {version} of {model} can't be looked up now: {error}") from error
        except BundleRefusedError as error:
            _log.error("version is not watched", model=model, version=version, why=str(error))
            return None
        return WatchedVersion(model=model, version=version, reference=manifest.profile, loss_scale=scale)

    return find


def _scale_of_first(settings: Settings, bundles: list[str], manifest: Manifest) -> float | None:
    """The error that is a loss of 1 in cohorts: for all versions of a model that of the first which has one."""
    if manifest.signature.task is not Task.REGRESSION:
        return None
    for bundle in bundles:
        scale = read_manifest(settings.registry_dir / "bundles", bundle).profile.error_scale
        if scale is not None:
            return scale
    return None
