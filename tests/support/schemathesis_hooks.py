"""What schemathesis has to know to get past the doors: how a PDF looks."""

import schemathesis
from hypothesis import strategies as st

from tests.support import mazes
from tests.support.api import PDF

schemathesis.openapi.media_type("application/pdf", st.sampled_from([mazes.plain(), PDF]))
