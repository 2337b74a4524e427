"""A small picture of a page, for lists: made by the worker, because the API opens no pictures."""

from typing import Final

import simplejpeg

WIDTH: Final = 240
"""At least; the decoder scales by eighths while it decodes, which is what makes it cheap."""
QUALITY: Final = 75


def thumbnail(jpeg: bytes) -> bytes | None:
    """A JPEG about `WIDTH` pixels wide; None where there is nothing to see."""
    try:
        pixels = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=True, min_width=WIDTH, min_factor=1)
        small: bytes = simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorspace="RGB")
    except ValueError:
        return None  # the pipeline refuses a damaged page in its own words
    return small
