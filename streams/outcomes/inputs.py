"""The three topics that each model's outcomes are made from, by name and back."""

from schemas.topics import LABELS, PREDICTIONS, SHADOWS, TopicKind, Topics

_KINDS: dict[str, TopicKind] = {kind.name: kind for kind in (PREDICTIONS, SHADOWS, LABELS)}


class Inputs:
    """Names of inputs under one prefix.

    >>> inputs = Inputs(Topics("prod."))
    >>> inputs.topic("flights", "labels"), inputs.of("prod.flights.shadows")
    ('prod.flights.labels', ('flights', 'shadows'))
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def topic(self, model: str, kind: str) -> str:
        return self._topics.of(_KINDS[kind], model)

    def of(self, topic: str) -> tuple[str, str]:
        """The model and the kind of an input."""
        for name, kind in _KINDS.items():
            model = self._topics.model_of(topic, kind)
            if model is not None:
                return model, name
        raise AssertionError(f"{topic} is no input of the join")
