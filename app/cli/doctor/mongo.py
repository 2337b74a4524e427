"""MongoDB: is it there, may we write, and does what it acknowledges survive a crash?"""

from collections.abc import Mapping
from typing import Any, Final

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from app.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn, where
from app.config import SharedSettings
from app.db.client import Record, sync_client, sync_database
from app.db.db import META
from app.domain.file import new_token

PART: Final = "mongodb"
DURABLE: Final = "Add w=majority&journal=true to MONGO_URL, as in mongodb://…/?w=majority&journal=true"
OLDEST: Final = (5, 0)
LOGIN_FAILED: Final = frozenset({13, 18, 8000})
START: Final = "Start it, or correct MONGO_URL (host, port, network; TLS where the server asks for it)."


def connect(settings: SharedSettings) -> tuple[MongoClient[Record] | None, list[Finding]]:
    """A client that has been answered, or None and why there is none."""
    url = settings.mongo_url.get_secret_value()
    try:
        client = sync_client(url)
    except (ConfigurationError, InvalidURI, InvalidName, ValueError) as error:
        text = f"MONGO_URL cannot be used as it is ({type(error).__name__})"
        fix = "Write it as in mongodb://user:password@host:27017/?w=majority&journal=true, with special "
        return None, [fail(PART, text, fix + "characters of the password percent-encoded.")]
    try:
        client.admin.command("ping")
        client[settings.mongo_db][META].find_one({"_id": "doctor"})
    except OperationFailure as error:
        client.close()
        return None, [_refused(error, url)]
    except PyMongoError as error:
        client.close()
        return None, [fail(PART, f"{where(url)} does not answer ({type(error).__name__})", START)]
    return client, [ok(PART, f"{where(url)} answers")]


def _refused(error: OperationFailure, url: str) -> Finding:
    if error.code in LOGIN_FAILED:
        return fail(
            PART,
            f"{where(url)} refuses the user or the password",
            "Correct user and password in MONGO_URL (authSource=… names the database that knows the user).",
        )
    return fail(PART, f"{where(url)} refuses to be asked (code {error.code})", START)


def look(client: MongoClient[Record], settings: SharedSettings) -> Findings:
    yield _write_concern(client)
    yield from _server(client)
    yield _writable(sync_database(client, settings.mongo_db))


def _write_concern(client: MongoClient[Record]) -> Finding:
    """`w=0` is never told of a failed write; a number of members may be a minority that rolls back."""
    part, concern = "mongodb durability", client.write_concern.document
    w, journal = concern.get("w"), concern.get("j")
    if w is not None and w != "majority":
        return fail(part, f"MONGO_URL says w={w}: an accepted upload can vanish when a server dies", DURABLE)
    if journal is False:
        return fail(part, "MONGO_URL says journal=false: a power cut takes what was accepted", DURABLE)
    if w is None or journal is None:
        return warn(part, "MONGO_URL leaves w or journal to the server's default", DURABLE)
    return ok(part, "w=majority and journal=true")


def _server(client: MongoClient[Record]) -> Findings:
    try:
        version = tuple(client.admin.command("buildInfo")["versionArray"][:2])
        hello: Mapping[str, Any] = client.admin.command("hello")
    except (PyMongoError, KeyError, TypeError) as error:
        yield skip("mongodb server", f"does not tell about itself ({type(error).__name__})")
        return
    text = ".".join(str(number) for number in version)
    if version < OLDEST:
        yield fail("mongodb server", f"version {text}", "Use MongoDB 5.0 or later; 8.0 is what is tested.")
    elif "setName" in hello or hello.get("msg") == "isdbgrid":
        yield ok("mongodb server", f"version {text}, a replica set")
    else:
        yield warn(
            "mongodb server",
            f"version {text}, a single server: its disk is the only copy",
            "Fine on one machine with backups; a replica set of three survives the loss of a machine.",
        )


def _writable(database: Database[Record]) -> Finding:
    probe = {"_id": f"doctor-{new_token()}"}
    try:
        database[META].insert_one(dict(probe))
        database[META].delete_one(probe)
    except PyMongoError as error:
        return fail(
            "mongodb rights",
            f"the database {database.name} cannot be written ({type(error).__name__})",
            f"Give the user of MONGO_URL the role readWrite on {database.name}; see that a primary is there "
            "and that its disk is not full.",
        )
    return ok("mongodb rights", f"the database {database.name} can be read and written")
