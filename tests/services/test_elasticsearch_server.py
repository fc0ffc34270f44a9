"""The harness itself: what a test may expect of the Elasticsearch that it is given."""

from tests.services.elasticsearch_server import ELASTICSEARCH_VERSION, ElasticsearchServer


def test_one_server_serves_the_whole_run(elasticsearch: ElasticsearchServer) -> None:
    """The session's server is the one that is named, and every shard that it has is where it should be."""
    with elasticsearch.client() as client:
        health = client.cluster.health()
        (node,) = client.nodes.info()["nodes"].values()

    assert (health["number_of_nodes"], health["status"]) == (1, "green")
    assert node["version"] == ELASTICSEARCH_VERSION
