"""Which partition a key belongs to, many keys at once: murmur2, as Kafka's own clients hash."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_SEED = np.uint32(0x9747B28C)
_M = np.uint32(0x5BD1E995)


def partitions_of(keys: Sequence[bytes], partitions: int) -> npt.NDArray[np.int64]:
    """The partition of each key among so many, as `murmur2_random` and Java's default partitioner choose it.

    After Austin Appleby, MurmurHash2, in the form of org.apache.kafka.common.utils.Utils.murmur2.

    >>> partitions_of([b"N14228", b"N24211", b""], 8).tolist()
    [0, 1, 1]
    """
    if not keys:
        return np.zeros(0, dtype=np.int64)
    lengths = np.fromiter(map(len, keys), dtype=np.uint32, count=len(keys))
    width = (int(lengths.max()) + 3) // 4 * 4 or 4
    words = np.frombuffer(b"".join([key.ljust(width, b"\0") for key in keys]), dtype="<u4").reshape(len(keys), -1)
    whole = lengths // 4
    hashed = _SEED ^ lengths
    for index in range(words.shape[1]):
        mixed = words[:, index] * _M
        mixed = (mixed ^ (mixed >> np.uint32(24))) * _M
        hashed = np.where(index < whole, hashed * _M ^ mixed, hashed)
    # What is left of a key, with zeros behind it, is its last word.
    rest = words[np.arange(len(keys)), np.minimum(whole, words.shape[1] - 1)]
    hashed = np.where(lengths % 4 > 0, (hashed ^ rest) * _M, hashed)
    hashed = (hashed ^ (hashed >> np.uint32(13))) * _M
    hashed ^= hashed >> np.uint32(15)
    return (hashed & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
