"""The roots of all rooms' error trees: what a room raises says in a sentence what is wrong."""

from consumers.errors import ConsumerError
from penstock.errors import FrontDoorError
from producers.errors import ProducerError
from registry.errors import RegistryError
from runtime.errors import RuntimeShellError
from runtime.settings import SettingsError
from schemas.errors import SchemaError

ROOM_ERRORS: tuple[type[Exception], ...] = (
    ConsumerError,
    FrontDoorError,
    ProducerError,
    RegistryError,
    RuntimeShellError,
    SchemaError,
    SettingsError,
)
