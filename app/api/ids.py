"""Path convertors: what no id can be is not found, and shadows no other route."""

from typing import Annotated, Final

from bson import ObjectId
from fastapi import Path
from starlette.convertors import Convertor, register_url_convertor

from app.domain.file import ID_PATTERN


class HexIdConvertor(Convertor[str]):
    """Keeps the text: handlers make an ObjectId of it."""

    regex = ID_PATTERN

    def convert(self, value: str) -> str:
        return value.lower()

    def to_string(self, value: str) -> str:
        return str(ObjectId(value))


class EndpointIdConvertor(Convertor[str]):
    """Of a webhook's endpoint, so that /webhooks/test is not taken for one."""

    regex = "we_[0-9a-f]{24}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class SmallIntConvertor(Convertor[int]):
    """Counted from 1, in a few digits: one of five thousand is no number of ours, `int` refuses it loudly."""

    regex = "[1-9][0-9]{0,5}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("hex24", HexIdConvertor())
register_url_convertor("endpoint", EndpointIdConvertor())
register_url_convertor("smallint", SmallIntConvertor())
DOCUMENT: Final = "/{file_id:hex24}"
BATCH: Final = "/batches/{batch_id:hex24}"
ENDPOINT: Final = "/webhooks/{endpoint_id:endpoint}"
EndpointId = Annotated[str, Path(description="The endpoint's `id`", pattern=f"^{EndpointIdConvertor.regex}$")]
