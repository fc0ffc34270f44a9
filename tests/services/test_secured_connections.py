"""Every way to be somebody on a broker that asks: users with each mechanism, and certificates."""

from collections.abc import Callable, Iterator

import pytest

from runtime.access import Grant
from runtime.access_control import allow
from runtime.errors import AccessDeniedError, BrokerUnreachableError
from runtime.follower import read_to_end
from runtime.groups import READER_GROUP
from runtime.kafka import build_producer, ensure_topics, partition_counts
from runtime.settings import KafkaSettings, TopicSettings
from schemas.topics import LOGS, Topics
from tests.services.secured_kafka import SecuredKafka

PREFIX = "ways."
TOPIC = Topics(PREFIX).of(LOGS)


@pytest.fixture(scope="module")
def log_topic(secured_kafka: SecuredKafka) -> str:
    """One topic that several may write and read."""
    admin = secured_kafka.settings(secured_kafka.admin)
    ensure_topics(admin, TopicSettings(prefix=PREFIX))
    return TOPIC


def always(principal: str) -> Callable[[str], str]:
    """The same principal for every role."""
    return lambda _role: principal


def ways(secured: SecuredKafka) -> Iterator[tuple[str, KafkaSettings]]:
    """Each way with the principal that the broker makes of it."""
    yield "User:sha-512", secured.settings(secured.add_user("sha-512"))
    yield "User:sha-256", secured.settings(secured.add_user("sha-256", "SCRAM-SHA-256"), "SCRAM-SHA-256")
    yield f"User:{secured.plain.name}", secured.settings(secured.plain, "PLAIN")
    yield "User:CN=shown", secured.certificate_settings(secured.authority.issue("shown", common_name="shown"))


def test_each_way_in_leads_to_writing_and_reading(secured_kafka: SecuredKafka, log_topic: str) -> None:
    """A user who is known and may: the record that it wrote, also in a transaction, is the record that it reads."""
    rights = [
        Grant(role="any", resource="topic", name=log_topic, operations=("write", "read")),
        Grant(role="any", resource="transactional-id", name="ways", operations=("write",)),
        Grant(role="any", resource="group", name=READER_GROUP, operations=("describe",)),
    ]
    for principal, settings in ways(secured_kafka):
        allow(secured_kafka.settings(secured_kafka.admin), rights, principal_of=always(principal))
        producer = build_producer(settings, transactional_id="ways")
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(log_topic, principal.encode(), partition=0)
        producer.commit_transaction(30)

        assert read_to_end(settings, log_topic, deadline_s=30)[-1].value() == principal.encode()


def test_a_wrong_password_is_said_so(secured_kafka: SecuredKafka) -> None:
    """The message names the address and the fault, and not the password."""
    wrong = secured_kafka.settings(secured_kafka.admin).model_copy(
        update={"sasl_password": secured_kafka.settings(secured_kafka.plain).sasl_password, "request_timeout_s": 5.0}
    )

    with pytest.raises(BrokerUnreachableError, match="uthentication") as caught:
        partition_counts(wrong)

    assert secured_kafka.server.bootstrap_servers in str(caught.value)
    assert secured_kafka.plain.password not in str(caught.value)


def test_a_broker_that_nobody_vouches_for_is_not_believed(secured_kafka: SecuredKafka) -> None:
    """Without its authority the broker may be anyone, so it is told nothing."""
    unknown = secured_kafka.settings(secured_kafka.admin).model_copy(
        update={"ssl_ca_file": None, "request_timeout_s": 5.0}
    )

    with pytest.raises(BrokerUnreachableError, match="certificate verify failed"):
        partition_counts(unknown)


def test_who_may_nothing_is_told_so(secured_kafka: SecuredKafka, log_topic: str) -> None:
    """A known user without rights sees no topics, and learns what it would need to make them."""
    stranger = secured_kafka.settings(secured_kafka.add_user("stranger"))

    assert partition_counts(stranger) == {}
    with pytest.raises(AccessDeniedError, match=r"create the topic .*: run `penstock topics create`"):
        ensure_topics(stranger, TopicSettings(prefix=PREFIX))
    with pytest.raises(AccessDeniedError, match="give rights"):
        allow(stranger, [Grant(role="x", resource="topic", name="y", operations=("read",))], principal_of=str)
