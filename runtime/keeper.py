"""The port of lanes that keep state beside their offsets: it must be there before its records are read.

A lane tells what comes and goes and where a log ends; the keeper says what can be read, and
writes a note to be kept with the committed offsets. The notes are part of each commit, so what
they say holds exactly when its records are final.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from runtime.batch import TopicPartitionKey
from runtime.offsets import StartOffset


class Keeper(Protocol):
    """Everything here runs on the lane's thread, some of it inside a poll."""

    def assigned(self, starts: Sequence[StartOffset]) -> None:
        """These partitions are ours, and will be read from these offsets once they are ready."""
        ...

    def revoked(self, places: Sequence[TopicPartitionKey]) -> None:
        """These partitions are not ours any more; nothing of them may be held open on return."""
        ...

    def ready(self, topic: str, partition: int) -> bool:
        """Whether the partition's state is there, so that its records can be read."""
        ...

    def at_end(self, topic: str, partition: int) -> None:
        """All records that the log has now are final."""
        ...

    def due(self) -> bool:
        """Whether there is something to do that no record causes: the step gets an empty batch then."""
        ...

    def hurry(self) -> bool:
        """The lane is about to stop: whether there is something to do at once that could have waited."""
        ...

    def notes(self) -> Mapping[TopicPartitionKey, str]:
        """What to keep beside the offsets of the output in hand; places that it leaves out are not committed."""
        ...
