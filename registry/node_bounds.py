"""Checks the raw node indices of loaded trees, which scikit-learn follows without looking.

A file can be of trusted types throughout and still hold a tree whose children or features lie
outside its arrays; scoring with it would read foreign memory or end the process. Nothing is
scored here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.neighbors import KDTree
from sklearn.tree._tree import Tree

LEAF = -1
OBJECTS_MAX = 5_000_000
_TREE_MODULES = ("sklearn.ensemble.", "sklearn.tree.")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Found:
    """A tree, and the least number of features among the estimators around it, if any states one."""

    tree: object
    features: int | None


def node_fault(estimator: object) -> str | None:
    """What is wrong with the first tree that is out of bounds, or None when all are sound."""
    for found in _trees(estimator):
        if isinstance(found.tree, Tree):
            fault = _tree_fault(found.tree, found.features)
        elif isinstance(found.tree, TreePredictor):
            fault = _predictor_fault(found.tree, found.features)
        else:
            fault = _neighbors_fault(found.tree)
        if fault is not None:
            return f"a {type(found.tree).__name__} has {fault}"
    return None


def _trees(root: object) -> Iterator[_Found]:
    """Every tree that can be reached from the estimator, each once."""
    stack: list[_Found] = [_Found(root, None)]
    seen: set[int] = set()
    while stack:
        found = stack.pop()
        if id(found.tree) in seen:
            continue
        seen.add(id(found.tree))
        assert len(seen) <= OBJECTS_MAX, "an estimator of so many objects is refused by its size"
        if isinstance(found.tree, (Tree, TreePredictor, KDTree)):
            yield found
        else:
            features = _features(found)
            stack += [_Found(part, features) for part in _parts(found.tree)]


def _features(found: _Found) -> int | None:
    """The bound for trees inside: ensembles pass rows on as they are, all other estimators may widen them."""
    if not isinstance(found.tree, BaseEstimator):
        return found.features
    own = getattr(found.tree, "n_features_in_", None)
    if not isinstance(own, (int, np.integer)) or not type(found.tree).__module__.startswith(_TREE_MODULES):
        return None
    return int(own) if found.features is None else min(found.features, int(own))


def _parts(whole: object) -> list[object]:
    if isinstance(whole, dict):
        return [*whole.keys(), *whole.values()]
    if isinstance(whole, (list, tuple, set, frozenset)):
        return list(whole)
    if isinstance(whole, np.ndarray):
        return list(whole.ravel()) if whole.dtype == np.object_ else []
    return list(getattr(whole, "__dict__", {}).values())


def _tree_fault(tree: Tree, features: int | None) -> str | None:
    internal = tree.children_left != LEAF
    nodes = np.arange(tree.node_count)[internal]
    return _fault(
        nodes,
        (tree.children_left[internal], tree.children_right[internal]),
        count=tree.node_count,
        used=tree.feature[internal],
        features=tree.n_features if features is None else min(features, tree.n_features),
    )


def _predictor_fault(tree: TreePredictor, features: int | None) -> str | None:
    table = tree.nodes
    if not isinstance(table, np.ndarray) or table.dtype != PREDICTOR_RECORD_DTYPE or table.ndim != 1 or not len(table):
        return "no table of nodes"
    internal = table["is_leaf"] == 0
    inner = table[internal]
    by_category = inner[inner["is_categorical"] != 0]
    if len(by_category) and int(by_category["bitset_idx"].max()) >= len(tree.raw_left_cat_bitsets):
        return "a node whose set of categories is not there"
    return _fault(
        np.flatnonzero(internal),
        (inner["left"].astype(np.int64), inner["right"].astype(np.int64)),
        count=len(table),
        used=inner["feature_idx"],
        features=features,
    )


def _neighbors_fault(tree: object) -> str | None:
    assert isinstance(tree, KDTree), type(tree)
    data, indices, nodes, _ = (np.asarray(part) for part in tree.get_arrays())
    rows = len(data)
    if len(indices) != rows or (rows and not 0 <= int(indices.min()) <= int(indices.max()) < rows):
        return "an index of rows that lie outside its data"
    if len(nodes) and not (int(nodes["idx_start"].min()) >= 0 and int(nodes["idx_end"].max()) <= rows):
        return "a node of rows that lie outside its data"
    return None


def _fault(nodes: Ints, children: tuple[Ints, Ints], *, count: int, used: Ints, features: int | None) -> str | None:
    """Children come after their parent and inside the table, which also rules circles out."""
    for child in children:
        if ((child <= nodes) | (child >= count)).any():
            return "a node whose child is out of bounds"
    if (used < 0).any() or (features is not None and (used >= features).any()):
        return "a node that asks for a feature that is not there"
    return None
