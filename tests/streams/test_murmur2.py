"""Keys hash as they do in Kafka's own clients."""

from streams.outcomes.murmur2 import partitions_of

# From org.apache.kafka.common.utils.UtilsTest: what Kafka's own murmur2 gives for these.
HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def test_hashes_are_those_of_kafka() -> None:
    """Of keys of every length modulo four, alone or many at once."""
    expected = [value & 0x7FFFFFFF for value in HASHES.values()]

    assert expected == partitions_of(list(HASHES), 1 << 31).tolist()
    assert expected == [int(partitions_of([key], 1 << 31)[0]) for key in HASHES]
    assert partitions_of([], 8).tolist() == []
