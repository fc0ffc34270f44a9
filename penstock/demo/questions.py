"""What the demo asks the store in the end: the same three questions, whichever store it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import orjson

from consumers.questions import Question, Row, Store, by, by_day, only
from consumers.stored_collections import DEAD_LETTERS, PREDICTIONS

DAYS_SHOWN = 6
ROUTES_SHOWN = 6
ROUTE_FLIGHTS_MIN = 100
_FLIGHTS_ONLY = only({"model": "flights"})
_MEAN_SCORE = {"mean_score": {"avg": {"field": "score"}}}
_PER_DAY = Question(
    collection=PREDICTIONS,
    sql="""
SELECT date(event_time) AS day, version, count(*) AS doc_count, avg(score) AS mean_score
FROM predictions WHERE model = 'flights' GROUP BY day, version ORDER BY day, version
""",
    search=lambda _parameters: {
        "query": {"bool": {"filter": _FLIGHTS_ONLY}},
        "aggs": {"group": {"composite": by(by_day("day", "event_time"), "version"), "aggs": _MEAN_SCORE}},
    },
)
_PER_ROUTE = Question(
    collection=PREDICTIONS,
    sql="""
SELECT json_extract(features, '$.origin') AS origin, json_extract(features, '$.dest') AS dest,
       count(*) AS doc_count, avg(score) AS mean_score
FROM predictions WHERE model = 'flights' GROUP BY origin, dest ORDER BY origin, dest
""",
    search=lambda _parameters: {
        "query": {"bool": {"filter": _FLIGHTS_ONLY}},
        "aggs": {"group": {"composite": by(_feature("origin"), _feature("dest")), "aggs": _MEAN_SCORE}},
    },
)
_PER_REASON = Question(
    collection=DEAD_LETTERS,
    sql="""
SELECT reason, stage, count(*) AS doc_count FROM dead_letters
WHERE model = 'flights' GROUP BY reason, stage ORDER BY reason, stage
""",
    search=lambda _parameters: {
        "query": {"bool": {"filter": _FLIGHTS_ONLY}},
        "aggs": {"group": {"composite": by("reason", "stage")}},
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuestion:
    """A question in words and in a store's own, and which rows of the answer are shown, and how."""

    words: str
    question: Question
    shown: Callable[[Iterable[Row]], list[Row]]

    def text(self, *, sql: bool) -> str:
        """As it is typed into `penstock query`."""
        if sql:
            return self.question.sql.strip()
        return orjson.dumps(self.question.search({}), option=orjson.OPT_INDENT_2).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One question with all rows of its answer."""

    asked: DemoQuestion
    rows: list[Row]


def ask_all(store: Store) -> list[Answer]:
    """Every question put to the store."""
    return [Answer(asked, store.ask(asked.question)) for asked in QUESTIONS]


def _days(rows: Iterable[Row]) -> list[Row]:
    return [{"day": row["day"], "version": row["version"], **_flights_and_risk(row)} for row in list(rows)[:DAYS_SHOWN]]


def _worst_routes(rows: Iterable[Row]) -> list[Row]:
    flown = [row for row in rows if _number(row, "doc_count") >= ROUTE_FLIGHTS_MIN]
    worst = sorted(flown, key=lambda row: -_number(row, "mean_score"))[:ROUTES_SHOWN]
    return [{"route": "-".join((str(row["origin"]), str(row["dest"]))), **_flights_and_risk(row)} for row in worst]


def _reasons(rows: Iterable[Row]) -> list[Row]:
    return [{"reason": row["reason"], "stage": row["stage"], "records": row["doc_count"]} for row in rows]


def _flights_and_risk(row: Row) -> Row:
    return {"flights": row["doc_count"], "mean_risk": round(_number(row, "mean_score"), 3)}


def _number(row: Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, int | float), (name, value)
    return value


def _feature(name: str) -> dict[str, object]:
    return {name: {"terms": {"field": f"features.{name}"}}}


QUESTIONS = (
    DemoQuestion(
        words="How many flights did each version judge per day, and how late did it expect them? (the first rows)",
        question=_PER_DAY,
        shown=_days,
    ),
    DemoQuestion(
        words=f"Which routes are the worst, of those with at least {ROUTE_FLIGHTS_MIN} flights?",
        question=_PER_ROUTE,
        shown=_worst_routes,
    ),
    DemoQuestion(words="What could not be scored, and why?", question=_PER_REASON, shown=_reasons),
)
