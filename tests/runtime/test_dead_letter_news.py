"""The log is told of dead letters, and of which request they were, without being flooded."""

from structlog.testing import capture_logs

from runtime.dead_letter_news import SAY_EVERY_MS, DeadLetterNews
from schemas.columns import Rejection
from schemas.reasons import Reason
from tests.consumers.stored import dead_letter

KNOWN = Rejection(row=0, reason=Reason.KEY_MISMATCH, detail="secret", request_id="r1", version="2")
UNKNOWN = Rejection(row=0, reason=Reason.MALFORMED, detail="secret")


def test_the_first_of_a_kind_is_told_of_with_what_is_known() -> None:
    """Request and version where the record could be read; never a detail, which may hold what the record held."""
    news = DeadLetterNews()
    with capture_logs() as lines:
        news.tell([dead_letter(0, reason=Reason.KEY_MISMATCH)], [KNOWN], 0)
        news.tell([dead_letter(1, reason=Reason.MALFORMED)], [UNKNOWN], 0)
    known, unknown = lines

    assert (known["request_id"], known["version"], known["offset"]) == ("r1", "2", dead_letter(0).offset)
    assert not {"request_id", "version"} & unknown.keys()
    assert "secret" not in repr(lines)


def test_more_of_a_kind_are_counted_and_told_of_later() -> None:
    """One line for each kind in ten seconds, with how many there were."""
    news = DeadLetterNews()
    with capture_logs() as lines:
        for now in (0, 1, 2, SAY_EVERY_MS, SAY_EVERY_MS + 1):
            news.tell([dead_letter(now, reason=Reason.MALFORMED)], [UNKNOWN], now)

    assert [line["records"] for line in lines] == [1, 3]
