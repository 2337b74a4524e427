"""What the service's upload is compared with: the plain way, and reading without doing anything.

`plain`: FastAPI's UploadFile, `await file.read()`, the signature looked at, written and fsynced in a
thread (the folder too), one record inserted with `w=majority&journal=true`, 202. No hash, no limit while
receiving, no second status, no bell: less than the service does. `floor`: the request's body is read
and thrown away. Both run as the service's API does: one process, uvloop, httptools, no access log.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import uvicorn
from bson import ObjectId
from fastapi import FastAPI, File, HTTPException, Request, UploadFile
from pymongo import AsyncMongoClient
from starlette.concurrency import run_in_threadpool

from app.embedded import free_port


def write(path: Path, data: bytes) -> None:
    """Durable, as an accepted document has to be."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def plain(folder: Path, mongo_url: str) -> FastAPI:
    app = FastAPI()
    records = AsyncMongoClient[dict[str, object]](mongo_url)["bench_plain"]["files"]

    @app.post("/upload", status_code=202)
    async def upload(file: Annotated[UploadFile, File()]) -> dict[str, str]:
        data = await file.read()
        if b"%PDF-" not in data[:1024]:
            raise HTTPException(415)
        file_id = ObjectId()
        await run_in_threadpool(write, folder / str(file_id), data)
        await records.insert_one({"_id": file_id, "name": file.filename, "status": "queued"})
        return {"file_id": str(file_id)}

    return app


def floor() -> FastAPI:
    app = FastAPI()

    @app.post("/upload", status_code=202)
    async def upload(request: Request) -> dict[str, int]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        return {"size": size}

    return app


def main(kind: str, folder: str) -> None:
    port = free_port()
    app = plain(Path(folder), os.environ["MONGO_URL"]) if kind == "plain" else floor()
    print(json.dumps(port), flush=True)
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", ws="none", log_config=None, access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
