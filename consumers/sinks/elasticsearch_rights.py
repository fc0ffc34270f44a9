"""The least that each role needs in Elasticsearch, as roles and API keys are given it. Pure.

The sink writes documents and grows mappings with models; whoever asks reads; operators may also
delete months that are over. Nobody of penstock needs a right on other indices.
"""

from collections.abc import Mapping

Rights = Mapping[str, object]

_TEMPLATES = ("manage_index_templates",)
_ASK = ("read", "view_index_metadata", "maintenance")
# Mappings of present indices grow with a model's features; the rest of what `manage` allows stays out.
_WRITE = ("create_index", "write", "indices:admin/mapping/put", "indices:admin/settings/update")
_DELETE = ("delete_index",)


def store_rights(index_prefix: str) -> dict[str, Rights]:
    """What the sink, operators and analysts may, on the indices of that prefix.

    >>> store_rights("penstock")["sink"]["cluster"]
    ['manage_index_templates']
    """
    return {
        "sink": _rights(index_prefix, cluster=_TEMPLATES, on_indices=(*_ASK, *_WRITE)),
        "operators": _rights(index_prefix, cluster=_TEMPLATES, on_indices=(*_ASK, *_WRITE, *_DELETE)),
        "analysts": _rights(index_prefix, cluster=(), on_indices=_ASK),
    }


def _rights(index_prefix: str, *, cluster: tuple[str, ...], on_indices: tuple[str, ...]) -> Rights:
    return {
        "cluster": list(cluster),
        "indices": [{"names": [f"{index_prefix}-*"], "privileges": list(on_indices)}],
    }
