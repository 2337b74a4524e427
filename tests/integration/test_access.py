"""Who gets in: keys over real HTTP, against the real store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import structlog

from app.api import auth
from app.config import ApiSettings
from app.domain.keys import NewKey, Scope, make_key
from tests.support.api import RunningApi, running_api, settings_for, wait_until
from tests.support.callers import KeyMaker, as_caller, bearer, code_of

NO_SUCH = "/0123456789abcdef01234567"


@pytest.fixture
def settings(tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> ApiSettings:
    return settings_for(tmp_path, mongo_url, mongo_db, valkey_url, auth="required")


@pytest.fixture
def api(settings: ApiSettings) -> Iterator[RunningApi]:
    with running_api(settings) as running:
        yield running


@pytest.fixture
def keys(mongo_url: str, mongo_db: str) -> KeyMaker:
    return KeyMaker(mongo_url, mongo_db)


def asked_with(api: RunningApi, key: NewKey | str) -> httpx.Response:
    return api.client.get(NO_SUCH, headers=bearer(key))


def test_without_a_key_nothing_is_read_and_the_answer_says_what_to_do(api: RunningApi) -> None:
    answer = api.upload()
    assert (answer.status_code, code_of(answer)) == (401, "key_missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "python -m app.cli keys create" in answer.json()["detail"]


@pytest.mark.parametrize("path", [NO_SUCH, "/nowhere", "/ui2", "/health/other", "/Upload"])
def test_an_address_nobody_opened_is_closed(api: RunningApi, path: str) -> None:
    assert api.client.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/docs", "/openapi.json"])
def test_health_and_documentation_need_no_key(api: RunningApi, path: str) -> None:
    assert api.client.get(path).status_code == 200


def test_a_key_is_taken_from_either_header(api: RunningApi, keys: KeyMaker) -> None:
    key = keys.make()
    for headers in (bearer(key), {"x-api-key": key.text}, {"authorization": f"bearer  {key.text}"}):
        assert api.client.get(NO_SUCH, headers=headers).status_code == 404
    beside_basic = {"authorization": "Basic YTpi", "x-api-key": key.text}
    assert api.client.get(NO_SUCH, headers=beside_basic).status_code == 404


@pytest.mark.parametrize("text", ["x", "frag_abcdefgh_short", "Bearer", "frag_" + "a" * 52, "\u00e9" * 57])
def test_what_is_no_key_of_ours_is_refused(api: RunningApi, text: str) -> None:
    answer = api.client.get(NO_SUCH, headers={b"x-api-key": text.encode("latin-1")})
    assert (answer.status_code, code_of(answer)) == (401, "key_invalid")


def test_an_unknown_key_and_a_known_id_with_a_wrong_secret_are_refused_alike(
    api: RunningApi, keys: KeyMaker
) -> None:
    unknown, known = make_key().text, keys.make()
    forged = known.text[:-43] + make_key().text[-43:]
    before = [asked_with(api, text).json()["detail"] for text in (unknown, forged)]
    assert asked_with(api, known).status_code == 404  # and now that it is remembered
    assert asked_with(api, forged).json()["detail"] == before[0] == before[1]
    assert code_of(asked_with(api, forged)) == "key_invalid"


@pytest.mark.parametrize("query", ["api_key={}", "x={}", "a=1&X-API-Key={}", "token={}", "apikey=1"])
def test_a_key_in_the_address_is_refused_even_beside_a_good_one(
    api: RunningApi, keys: KeyMaker, query: str
) -> None:
    key = keys.make()
    answer = api.client.get(f"{NO_SUCH}?{query.format(key.text)}", headers=bearer(key))
    assert (answer.status_code, code_of(answer)) == (400, "key_in_query")
    assert key.text not in answer.text


def test_a_read_key_looks_and_changes_nothing(api: RunningApi, keys: KeyMaker) -> None:
    writer, reader = (as_caller(api, keys.make("ann", scope)) for scope in (Scope.WRITE, Scope.READ))
    file_id = writer.upload().json()["file_id"]
    assert reader.record(file_id)["_id"] == file_id
    for answer in (
        reader.upload(),
        reader.client.post(f"/{file_id}/cancel"),
        reader.client.post(f"/{file_id}/retry"),
        reader.client.delete(f"/{file_id}"),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "scope_missing")
    assert "'write'" in answer.json()["detail"]
    assert writer.client.post(f"/{file_id}/cancel").status_code == 200


def test_an_expired_key_says_so_and_lets_nobody_in(api: RunningApi, keys: KeyMaker) -> None:
    now = keys.do(lambda all_keys: all_keys.now())
    expired = keys.make(expires_at=now - timedelta(seconds=1))
    living = keys.make(expires_at=now + timedelta(days=1))
    assert code_of(asked_with(api, expired)) == "key_expired"
    assert asked_with(api, living).status_code == 404


def test_a_revoked_key_stops_working_within_seconds(api: RunningApi, keys: KeyMaker) -> None:
    key = keys.make()
    assert asked_with(api, key).status_code == 404
    keys.revoke(key)
    wait_until(lambda: asked_with(api, key).status_code == 401)  # asked all the time: use renews nothing
    assert code_of(asked_with(api, key)) == "key_revoked"


def test_a_key_is_looked_up_once_for_many_requests(keys: KeyMaker) -> None:
    key = keys.make()
    clock = [0.0]

    async def used(all_keys: auth.Keys) -> list[int]:
        counted = _Counting(all_keys)
        ring = auth.KeyRing(counted, timer=lambda: clock[0])  # type: ignore[arg-type]
        counts = []
        for moment in (0.0, 1.0, auth.CACHE_S - 0.1, auth.CACHE_S + 0.1):
            clock[0] = moment
            await ring.caller(auth.Presented(key.key_id, key.digest))
            counts.append(counted.finds)
        return counts

    assert keys.do(used) == [1, 1, 1, 2]


def test_the_last_use_is_noted_in_one_write_for_many_requests(keys: KeyMaker) -> None:
    key, idle = keys.make(), keys.make()

    async def used(all_keys: auth.Keys) -> int:
        counted = _Counting(all_keys)
        ring = auth.KeyRing(counted)  # type: ignore[arg-type]
        for _ in range(20):
            await ring.caller(auth.Presented(key.key_id, key.digest))
        await ring.note_uses()
        await ring.note_uses()
        return counted.notes

    assert keys.do(used) == 1
    found = {one.key_id: one.last_used_at for one in keys.do(lambda all_keys: all_keys.all())}
    assert found[key.key_id] is not None
    assert found[idle.key_id] is None


def test_the_last_uses_are_noted_when_the_process_stops(settings: ApiSettings, keys: KeyMaker) -> None:
    key = keys.make()
    with running_api(settings) as api:
        assert asked_with(api, key).status_code == 404
    assert keys.do(lambda all_keys: all_keys.find(key.key_id)).last_used_at is not None  # type: ignore[union-attr]


def test_while_the_database_is_away_nobody_is_let_in_and_nobody_is_called_a_stranger(
    tmp_path: Path, valkey_url: str
) -> None:
    nowhere = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100"
    settings = settings_for(tmp_path, nowhere, "test_away", valkey_url, auth="required")
    with running_api(settings) as api:
        answer = asked_with(api, make_key())
        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
        assert answer.headers["retry-after"]
        assert api.upload(headers=bearer(make_key())).status_code == 503
        assert code_of(asked_with(api, "nonsense")) == "key_invalid"


@pytest.mark.parametrize(("auth_setting", "said"), [("off", True), ("required", False)])
def test_open_doors_are_said_loudly_at_start(settings: ApiSettings, auth_setting: str, said: bool) -> None:
    with (
        structlog.testing.capture_logs() as lines,
        running_api(settings.model_copy(update={"auth": auth_setting})),
    ):
        pass
    told = [line["log_level"] for line in lines if line["event"] == "auth_is_off"]
    assert told == (["warning"] if said else [])


def test_while_keys_are_off_a_page_from_elsewhere_is_refused(settings: ApiSettings) -> None:
    with running_api(settings.model_copy(update={"auth": "off"})) as api:
        refused = api.upload(headers={"origin": "https://evil.example.com"})
        assert (refused.status_code, code_of(refused)) == (403, "origin_refused")
        refused = api.client.get("/", headers={"host": "evil.example.com"})
        assert (refused.status_code, code_of(refused)) == (403, "host_refused")
        assert api.upload(headers={"origin": str(api.client.base_url).rstrip("/")}).status_code == 202


def test_a_refused_upload_can_read_its_answer_though_its_body_was_not_read(api: RunningApi) -> None:
    answer = api.upload(b"%PDF-1.4\n" + b"x" * 1_900_000)
    assert code_of(answer) == "key_missing"


class _Counting:
    """The collection, counted."""

    def __init__(self, keys: auth.Keys) -> None:
        self._keys = keys
        self.finds = self.notes = 0
        self.now = keys.now

    async def find(self, key_id: str) -> auth.KeyRecord | None:
        self.finds += 1
        return await self._keys.find(key_id)

    async def used(self, times: dict[str, auth.datetime]) -> None:
        self.notes += len(times)
        await self._keys.used(times)
