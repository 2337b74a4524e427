"""The breaker in front of Valkey: one failure spares everybody else the wait."""

from app.queue.valkey import Breaker, Valkey

SKIP_S = 5.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_everybody_may_ask_while_answers_come() -> None:
    breaker = Breaker(SKIP_S, Clock())
    assert breaker.allows()
    breaker.worked()
    assert breaker.allows()


def test_after_a_failure_nobody_asks_until_the_pause_is_over() -> None:
    clock = Clock()
    breaker = Breaker(SKIP_S, clock)
    breaker.failed()
    assert not breaker.allows()
    clock.now += SKIP_S - 0.1
    assert not breaker.allows()


def test_after_the_pause_one_caller_tries_and_the_others_go_on_skipping() -> None:
    clock = Clock()
    breaker = Breaker(SKIP_S, clock)
    breaker.failed()
    clock.now += SKIP_S
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_the_first_answer_opens_the_way_for_all() -> None:
    clock = Clock()
    breaker = Breaker(SKIP_S, clock)
    breaker.failed()
    clock.now += SKIP_S
    assert breaker.allows()
    breaker.worked()
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_only_the_first_failure_is_news() -> None:
    breaker = Breaker(SKIP_S, Clock())
    assert breaker.failed()
    assert not breaker.failed()


def test_a_refused_question_answers_none_and_the_next_is_not_even_asked() -> None:
    asked: list[str] = []
    valkey = Valkey("redis://127.0.0.1:1", Breaker(SKIP_S, Clock()))

    def ping(client: object) -> bool:
        asked.append("ping")
        return bool(client.ping())  # type: ignore[attr-defined]

    assert valkey.ask(ping) is None
    assert valkey.ask(ping) is None
    assert asked == ["ping"]
    valkey.close()
