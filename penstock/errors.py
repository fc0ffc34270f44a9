"""What can go wrong at the front door.

FrontDoorError
├── CommandRefusedError    the controller, or a look at the shelf, said no and why
├── CommandTimeoutError    no answer to a command in time
├── NothingDeployedError   nothing was ever decided about that model
├── DecisionNotFoundError  the store has no decision of that id
├── DecisionAlteredError   a decision made again from the journal is another one
├── RolloutFailedError     a rollout that was watched has failed
├── NoShadowError          a report has no shadow, or several, to be about
├── RowsRefusedError       some rows of a file could not be sent; the others were
├── RowsNotScoredError     some rows of a file could not be scored; the others were
├── OutputKindError        scores can't be written to a file of that kind
├── VersionUnfitError      a version was registered, and a check of it failed
├── NotAnApproverError     a private key whose public half the settings do not know
├── ActiveVersionUnknownError  the policy compares with what serves, and nobody can say what that is
├── LedgerUnbalancedError  records are unaccounted for
├── ModelNotSeenError      the ledger has no records of that model
├── TooFewPredictionsError a tail ended before as many came as were asked for
├── StoreDiffersError      the analysts' store is not as it should be
├── TopicNotFoundError     the broker has no such topic
├── HopBrokenError         `penstock doctor` found a broken hop
├── UnhealthyError         a process does not serve
├── ModelNotDeployedError  nothing of that model serves
├── AnswerTimeoutError     the trainer has not answered in time
├── BackfillStuckError     a backfill reads nothing more, and is not at its end
├── NotTrainedError        a retrain gave no candidate, with the reason
└── DemoFailedError        the demo did not come out as it must
"""

from pathlib import Path


class FrontDoorError(Exception):
    """A command could not do what it was asked to."""


class CommandRefusedError(FrontDoorError):
    """A command was refused; the message says why."""

    def __init__(self, action: str, model: str, reason: str) -> None:
        super().__init__(f"{action} of {model} was refused: {reason}")
        self.reason = reason


class CommandTimeoutError(FrontDoorError):
    """The controller did not answer in time."""

    def __init__(self, action: str, model: str, *, waited_s: float, command_id: str) -> None:
        super().__init__(
            f"no answer to {action} of {model} within {waited_s:g} s (command {command_id} may still be carried out): "
            "see whether the controller runs with `penstock doctor`"
        )
        self.command_id = command_id


class NothingDeployedError(FrontDoorError):
    """Nothing was ever decided about a model."""

    def __init__(self, model: str) -> None:
        super().__init__(f"nothing is deployed of a model {model!r}: `penstock activate {model} VERSION`")
        self.model = model


class DecisionNotFoundError(FrontDoorError):
    """The store has no such decision; its sink may be a moment behind."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(f"the store has no decision {decision_id!r}: `penstock decisions list NAME` shows their ids")
        self.decision_id = decision_id


class DecisionAlteredError(FrontDoorError):
    """Decisions that were made again from the journal do not come out as they are written there."""

    def __init__(self, decision_ids: tuple[str, ...]) -> None:
        super().__init__(
            f"made again, {', '.join(decision_ids)} is not what the journal says: each fault is named above"
        )
        self.decision_ids = decision_ids


class RolloutFailedError(FrontDoorError):
    """The rollout that was watched has failed."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"the rollout of {model} has failed: {reason}")
        self.reason = reason


class NoShadowError(FrontDoorError):
    """It is not clear which shadow is meant."""

    def __init__(self, model: str, running: list[str]) -> None:
        which = f"shadows of {model} are {', '.join(running)}: name one" if running else f"no shadow of {model} runs"
        super().__init__(f"{which}; a version that was a shadow before can be named too")
        self.running = running


class RowsRefusedError(FrontDoorError):
    """Some rows of a file were refused; `sent` others were accepted by the broker."""

    def __init__(self, *, refused: int, sent: int) -> None:
        super().__init__(
            f"{refused} row(s) were refused, {sent} sent: correct the rows named above and send them again"
        )
        self.refused = refused
        self.sent = sent


class RowsNotScoredError(FrontDoorError):
    """Some rows of a file were refused; `scored` others are in the output."""

    def __init__(self, *, refused: int, scored: int) -> None:
        super().__init__(f"{refused} row(s) could not be scored, {scored} were: correct the rows named above")
        self.refused = refused
        self.scored = scored


class OutputKindError(FrontDoorError):
    """A file's ending does not say how scores are to be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is of an unknown kind: the name must end in .csv, .jsonl or .parquet")
        self.path = path


class VersionUnfitError(FrontDoorError):
    """A check of a version failed, so that it can't serve."""

    def __init__(self, name: str, version: str, failure: str) -> None:
        super().__init__(f"version {version} of {name} can't serve: {failure}")
        self.failure = failure


class NotAnApproverError(FrontDoorError):
    """The settings do not know whose key it is."""

    def __init__(self, public_key: str) -> None:
        super().__init__(
            f"this key is no approver's: policy.approvers has nobody with the public key {public_key}; "
            "add it there under the person's name, wherever penstock runs"
        )
        self.public_key = public_key


class ActiveVersionUnknownError(FrontDoorError):
    """The policy asks for a comparison with the version that serves, which is not known."""

    def __init__(self, model: str, why: str) -> None:
        super().__init__(
            f"policy.criteria.worse_by_max compares with the version of {model} that serves, which is not known "
            f"({why}): name it with --against"
        )
        self.model = model


class LedgerUnbalancedError(FrontDoorError):
    """Some records are unaccounted for, or counted twice."""

    def __init__(self, models: tuple[str, ...]) -> None:
        super().__init__(f"the ledger of {', '.join(models)} does not balance: each finding above says where and why")
        self.models = models


class ModelNotSeenError(FrontDoorError):
    """Nothing is known of records of that model."""

    def __init__(self, model: str) -> None:
        super().__init__(f"the ledger has no records of a model {model!r}: no request topic and no receipt names it")
        self.model = model


class TooFewPredictionsError(FrontDoorError):
    """Not as many predictions came as were asked for."""

    def __init__(self, model: str, *, count: int, limit: int, waited_s: float) -> None:
        super().__init__(f"{count} of {limit} predictions of {model} came within {waited_s:g} s")
        self.count = count


class StoreDiffersError(FrontDoorError):
    """The analysts' store is not as it should be."""

    def __init__(self, place: str, differences: int) -> None:
        super().__init__(
            f"{place} differs from what it should be in {differences} thing(s): see above; "
            "`penstock store setup` makes what is missing and changes what may be changed"
        )
        self.differences = differences


class TopicNotFoundError(FrontDoorError):
    """The broker has no such topic."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"the broker has no topic {topic!r}: `penstock topics list --all` shows what it has")
        self.topic = topic


class HopBrokenError(FrontDoorError):
    """One hop of the round trip is broken."""

    def __init__(self, hop: str, detail: str) -> None:
        super().__init__(f"the broken hop is {hop}: {detail}")
        self.hop = hop


class UnhealthyError(FrontDoorError):
    """A process does not serve; the message says what it last said of itself."""


class ModelNotDeployedError(FrontDoorError):
    """No version of that model was ever activated."""

    def __init__(self, model: str) -> None:
        super().__init__(f"no version of {model!r} serves: `penstock activate` lets one serve")
        self.model = model


class AnswerTimeoutError(FrontDoorError):
    """The trainer has not answered a request in time; it may still do."""

    def __init__(self, model: str, request: str, *, waited_s: float) -> None:
        super().__init__(
            f"no answer to the retrain of {model} within {waited_s:g} s (request {request}): it may wait for outcomes, "
            f"see `penstock timeline {model}` later"
        )
        self.request = request


class NotTrainedError(FrontDoorError):
    """A retrain gave no candidate; the message says why."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"the retrain of {model} gave no candidate: {reason}")
        self.reason = reason


class BackfillStuckError(FrontDoorError):
    """A backfill made no progress for long, with offsets left to read; it can go on later."""

    def __init__(self, model: str, *, left: int, waited_s: float) -> None:
        super().__init__(
            f"the backfill of {model} read nothing for {waited_s:g} s, with {left} offsets left: see whether the sink "
            "and the broker are well with `penstock doctor`, then run it again, and it goes on where it stopped"
        )
        self.left = left


class DemoFailedError(FrontDoorError):
    """The demo ran and did not come out as it must."""
