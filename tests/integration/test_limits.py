"""How often and how much: rates in Valkey, quotas in MongoDB, over real HTTP."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.keys import Scope
from tests.support.api import PDF, RunningApi, running_api, settings_for
from tests.support.callers import KeyMaker, as_caller, code_of

NO_SUCH = "/0123456789abcdef01234567"
NO_VALKEY = "redis://127.0.0.1:9"


class Place:
    """The stores of one test, and APIs that share them."""

    def __init__(self, folder: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> None:
        self.given = (folder, mongo_url, mongo_db)
        self.valkey_url = valkey_url
        self.keys = KeyMaker(mongo_url, mongo_db)

    @contextmanager
    def api(self, **settings: Any) -> Iterator[RunningApi]:
        valkey = settings.pop("valkey_url", self.valkey_url)
        with running_api(settings_for(*self.given, valkey, **settings)) as running:
            yield running


@pytest.fixture
def place(tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> Place:
    return Place(tmp_path, mongo_url, mongo_db, valkey_url)


def left(answer: httpx.Response) -> int:
    """`r` of the RateLimit field, whose form (draft 10) is checked on the way."""
    match = re.fullmatch(r'"(uploads|reads)";r=(\d+);t=[1-9]\d*', answer.headers["ratelimit"])
    assert match, answer.headers["ratelimit"]
    return int(match[2])


def test_answers_tell_the_policy_and_what_is_left(place: Place) -> None:
    with place.api(rate_limit_reads="3/hour", rate_limit_uploads="2/hour") as api:
        answers = [api.client.get(NO_SUCH) for _ in range(3)]
        assert [left(answer) for answer in answers] == [2, 1, 0]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"reads";q=3;w=3600'}
        upload = api.upload()
        assert (upload.status_code, left(upload)) == (202, 1)
        assert upload.headers["ratelimit-policy"] == '"uploads";q=2;w=3600'


def test_one_too_many_is_told_when_to_come_again(place: Place) -> None:
    with place.api(rate_limit_uploads="1/hour") as api:
        assert api.upload().status_code == 202
        answer = api.upload()
        assert (answer.status_code, code_of(answer), left(answer)) == (429, "rate_limited", 0)
        assert answer.json()["retryable"] is True
        assert 0 < int(answer.headers["retry-after"]) <= 3600
        assert "RATE_LIMIT_UPLOADS" in answer.json()["detail"]
        assert "ratelimit" not in api.client.get(NO_SUCH).headers, "reads are another count, and free here"


def test_the_count_is_one_for_all_processes(place: Place) -> None:
    with place.api(rate_limit_reads="4/hour") as one, place.api(rate_limit_reads="4/hour") as other:
        statuses = [api.client.get(NO_SUCH).status_code for api in (one, other) * 3]
        assert statuses == [404] * 4 + [429] * 2


def test_each_key_has_its_own_count(place: Place) -> None:
    with place.api(auth="required", rate_limit_reads="2/hour") as api:
        ann, bob = (as_caller(api, place.keys.make(owner, Scope.READ)) for owner in ("ann", "bob"))
        assert [ann.client.get(NO_SUCH).status_code for _ in range(3)] == [404, 404, 429]
        assert bob.client.get(NO_SUCH).status_code == 404


def test_who_guesses_keys_is_slowed_down_by_address(place: Place) -> None:
    with place.api(auth="required", rate_limit_reads="3/hour") as api:
        good = as_caller(api, place.keys.make())
        statuses = [api.client.get(NO_SUCH).status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert good.client.get(NO_SUCH).status_code == 404


def test_health_is_never_limited(place: Place) -> None:
    with place.api(rate_limit_reads="1/hour") as api:
        assert {api.client.get(path).status_code for path in ("/", "/health/live") * 3} == {200}


@pytest.mark.parametrize(("trusted", "statuses"), [("127.0.0.0/8", [404, 404]), ("", [404, 429])])
def test_the_address_is_taken_from_the_header_through_trusted_proxies_only(
    place: Place, trusted: str, statuses: list[int]
) -> None:
    with place.api(rate_limit_reads="1/hour", trusted_proxies=trusted) as api:
        seen = [
            api.client.get(NO_SUCH, headers={"x-forwarded-for": f"6.6.6.{n}, 198.51.100.{n}"}).status_code
            for n in range(2)
        ]
        assert seen == statuses


def test_a_client_cannot_choose_its_address_before_a_trusted_proxy(place: Place) -> None:
    with place.api(rate_limit_reads="1/hour", trusted_proxies="127.0.0.1") as api:
        seen = [
            api.client.get(NO_SUCH, headers={"x-forwarded-for": f"6.6.6.{n}, 198.51.100.7"}).status_code
            for n in range(2)
        ]
        assert seen == [404, 429]


def test_without_valkey_reads_pass_and_uploads_are_counted_here(place: Place) -> None:
    with place.api(valkey_url=NO_VALKEY, rate_limit_reads="1/hour", rate_limit_uploads="2/hour") as api:
        assert [api.client.get(NO_SUCH).status_code for _ in range(3)] == [404] * 3
        assert [api.upload().status_code for _ in range(3)] == [202, 202, 429]


def test_where_no_key_is_asked_for_nobody_is_limited_by_default(place: Place) -> None:
    with place.api() as api:
        assert "ratelimit-policy" not in api.client.get(NO_SUCH).headers
    with place.api(auth="required") as api:
        answer = as_caller(api, place.keys.make()).client.get(NO_SUCH)
        assert answer.headers["ratelimit-policy"] == '"reads";q=6000;w=60'


def test_unfinished_documents_are_capped_and_an_ended_one_makes_room(place: Place) -> None:
    with place.api(max_in_flight=2) as api:
        first = api.upload().json()["file_id"]
        assert api.upload().status_code == 202
        refused = api.upload()
        assert (refused.status_code, code_of(refused)) == (429, "too_many_in_flight")
        assert refused.headers["retry-after"]
        api.client.post(f"/{first}/cancel")
        assert api.upload().status_code == 202
        again = api.client.post(f"/{first}/retry")
        assert (again.status_code, code_of(again)) == (429, "too_many_in_flight")
        assert api.client.post(f"{NO_SUCH}/retry").status_code == 404


def test_uploads_at_the_same_moment_do_not_slip_past_the_cap(place: Place) -> None:
    with place.api(max_in_flight=3) as api, ThreadPoolExecutor(12) as threads:
        statuses = [answer.result().status_code for answer in [threads.submit(api.upload) for _ in range(24)]]
        assert set(statuses) <= {202, 429}
        assert statuses.count(202) <= 3
        while api.upload().status_code == 202:
            pass
        assert place.keys.do(lambda keys: keys._database["files"].count_documents({})) == 3


def test_a_repeated_upload_gets_its_first_answer_even_at_the_cap(place: Place) -> None:
    with place.api(max_in_flight=1) as api:
        first = api.upload(headers={"idempotency-key": "one"})
        again = api.upload(headers={"idempotency-key": "one"})
        assert (again.status_code, again.json()) == (202, first.json())


def test_stored_bytes_are_capped_and_a_deletion_makes_room_at_once(place: Place, tmp_path: Path) -> None:
    a_third = PDF + b"x" * (400_000 - len(PDF))
    with place.api(max_stored_mb=1, max_upload_mb=1) as api:
        first = api.upload(a_third).json()["file_id"]
        assert api.upload(a_third).status_code == 202
        refused = api.upload(a_third)
        assert (refused.status_code, code_of(refused)) == (403, "stored_quota_exceeded")
        assert refused.json()["retryable"] is False
        kept = {path.parts[-2] for path in (tmp_path / "files").glob("*/*") if path.is_file()}
        assert len(kept) == 2, "nothing is kept of a refused upload"
        assert api.client.delete(f"/{first}").status_code == 204
        assert api.upload(a_third).status_code == 202


def test_one_owner_s_documents_take_no_room_of_another_s(place: Place) -> None:
    with place.api(auth="required", max_in_flight=1) as api:
        ann, bob = (as_caller(api, place.keys.make(owner)) for owner in ("ann", "bob"))
        assert [ann.upload().status_code, ann.upload().status_code, bob.upload().status_code] == [
            202,
            429,
            202,
        ]
