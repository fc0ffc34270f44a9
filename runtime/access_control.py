"""Rights on the brokers as the brokers keep them: grants become their access control lists."""

from collections.abc import Callable, Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from runtime.access import Grant, Operation, Pattern, Resource
from runtime.errors import AccessDeniedError, BrokerUnreachableError
from runtime.kafka import build_admin
from runtime.settings import KafkaSettings

_RESOURCES: dict[Resource, ResourceType] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS: dict[Pattern, ResourcePatternType] = {
    "literal": ResourcePatternType.LITERAL,
    "prefixed": ResourcePatternType.PREFIXED,
}
_OPERATIONS: dict[Operation, AclOperation] = {
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "create": AclOperation.CREATE,
    "describe": AclOperation.DESCRIBE,
    "describe-configs": AclOperation.DESCRIBE_CONFIGS,
}
_ANY_HOST = "*"


def allow(kafka: KafkaSettings, grants: Iterable[Grant], *, principal_of: Callable[[str], str]) -> int:
    """Give the principals of all roles their rights; giving one again changes nothing. Returns how many.

    Raises `AccessDeniedError` for a user who may not give rights, `BrokerUnreachableError` for a
    broker that is away or keeps no rights at all.
    """
    bindings = [binding for grant in grants for binding in _bindings(grant, principal_of(grant.role))]
    # The client must outlive its answers.
    admin = build_admin(kafka)
    for future in admin.create_acls(bindings, request_timeout=kafka.request_timeout_s).values():
        try:
            future.result(kafka.request_timeout_s)
        except KafkaException as error:
            fault = error.args[0]
            if fault.code() == fault.CLUSTER_AUTHORIZATION_FAILED:
                raise AccessDeniedError(
                    "give rights", "ask as a super user, or as one who may alter the cluster"
                ) from error
            raise BrokerUnreachableError(kafka.bootstrap_servers, fault.str()) from error
    return len(bindings)


def _bindings(grant: Grant, principal: str) -> list[AclBinding]:
    return [
        AclBinding(
            _RESOURCES[grant.resource],
            grant.name,
            _PATTERNS[grant.pattern],
            principal,
            _ANY_HOST,
            _OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for operation in grant.operations
    ]
