"""Path convertors: `hex24` for ids, 24 hexadecimal digits and nothing else; `smallint` for small numbers."""

from typing import Final

from bson import ObjectId
from starlette.convertors import Convertor, register_url_convertor

from app.domain.file import ID_PATTERN


class HexIdConvertor(Convertor[str]):
    """Keeps the text: handlers make an ObjectId of it."""

    regex = ID_PATTERN

    def convert(self, value: str) -> str:
        return value.lower()

    def to_string(self, value: str) -> str:
        return str(ObjectId(value))


class SmallIntConvertor(Convertor[int]):
    """A few digits: a number of five thousand is no number of ours, and `int` refuses it loudly."""

    regex = "[0-9]{1,6}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("hex24", HexIdConvertor())
register_url_convertor("smallint", SmallIntConvertor())
DOCUMENT: Final = "/{file_id:hex24}"
BATCH: Final = "/batches/{batch_id:hex24}"
