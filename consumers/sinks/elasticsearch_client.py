"""The way to Elasticsearch: one client, built from settings, and its faults in penstock's words.

The only place that knows how a connection is made.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from elasticsearch import ApiError, Elasticsearch, TransportError, UnsupportedProductError
from elasticsearch.serializer import OrjsonSerializer

from consumers.errors import StoreOutdatedError, StoreUnavailableError
from consumers.sinks.elasticsearch_bulk import in_words
from runtime.http_access import authorization, server_tls
from runtime.settings import StoreSettings

_MIMETYPES = ("application/json", "application/vnd.elasticsearch+json")
# Wrong credentials and missing rights are mended on the server while the sink waits.
_MAY_PASS = frozenset({401, 403, 408, 429})
_SERVER_FAULT = 500
# It says every request and every failure, and the sink says once what matters.
_TALKATIVE = "elastic_transport"


def build_client(settings: StoreSettings) -> Elasticsearch:
    """A client of the configured nodes; it connects with its first request, and may be shared by threads.

    A node that can't be reached is passed over for the next; what was asked is never asked twice of one.
    Raises `SettingsError` for files that are no certificates or keys.
    """
    logging.getLogger(_TALKATIVE).setLevel(logging.ERROR)
    return Elasticsearch(
        list(settings.urls),
        request_timeout=settings.request_timeout_s,
        max_retries=len(settings.urls) - 1,
        retry_on_timeout=False,
        retry_on_status=(),
        connections_per_node=settings.bulk_requests_max,
        serializers={mimetype: OrjsonSerializer() for mimetype in _MIMETYPES},
        headers=authorization(settings, token=settings.api_key, scheme="ApiKey"),
        ssl_context=server_tls("store", settings) if settings.tls else None,
    )


@contextmanager
def elasticsearch_faults(settings: StoreSettings) -> Iterator[None]:
    """What may pass is `StoreUnavailableError`, another product `StoreOutdatedError`; other answers stay `ApiError`."""
    where = ", ".join(settings.urls)
    try:
        yield
    except UnsupportedProductError as error:
        raise StoreOutdatedError(f"what answers at {where} is not Elasticsearch") from error
    except TransportError as error:
        raise StoreUnavailableError(f"Elasticsearch at {where} can't be reached: {error.message}") from error
    except ApiError as error:
        if error.status_code in _MAY_PASS or error.status_code >= _SERVER_FAULT:
            raise StoreUnavailableError(
                f"Elasticsearch at {where} answers {error.status_code}: {words_of(error)}"
            ) from error
        raise


def words_of(error: ApiError) -> str:
    """What Elasticsearch says of a request that it refused."""
    body = error.body
    told = body.get("error") if isinstance(body, dict) else None
    if not isinstance(told, dict):
        return str(told or body or error.message)
    roots = told.get("root_cause") or [told]
    return in_words(told if told.get("caused_by") else roots[0])
