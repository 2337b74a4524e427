"""The `hex24` path convertor: a document's route matches 24 hexadecimal digits and nothing else."""

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


register_url_convertor("hex24", HexIdConvertor())
DOCUMENT: Final = "/{file_id:hex24}"
