"""What the renderer's parties say to each other survives the way, and pages get their size from the box."""

import pytest

from app.pipeline.render_wire import Head, Kind, Request, Verdict, fit

BOX = (1334, 1888)


@pytest.mark.parametrize(
    ("points", "pixels"),
    [
        ((595.276, 841.89), (1334, 1887)),  # A4
        ((612, 792), (1334, 1726)),  # Letter
        ((841.89, 595.276), (1887, 1334)),  # A4 lying down: the box is turned
        ((14_400, 14_400), (1334, 1334)),
        ((200, 100), (1888, 944)),  # a business card is drawn larger, as a model sees it
        ((1, 14_400), (1, 1888)),
        ((14_400, 1), (1888, 1)),
        ((0.001, 0.001), (1334, 1334)),
    ],
)
def test_a_page_fills_the_box_whatever_its_own_measure(
    points: tuple[float, float], pixels: tuple[int, int]
) -> None:
    assert fit(*points, BOX) == pixels


def test_a_request_arrives_as_it_was_sent() -> None:
    request = Request("poppler", BOX, 300, 7, 1536, 120.0, second_try=True)
    assert Request.decode(request.encode()) == request
    assert request.encode().endswith(b"\n")


def test_the_clocks_of_a_request_follow_its_timeout() -> None:
    request = Request("pdfium", BOX, 300, 1, 1536, timeout_s=2.5, slack_s=10)
    assert (request.cpu_s, request.wall_s) == (4, 12.5)


def test_a_head_and_a_verdict_arrive_as_they_were_sent() -> None:
    head = Head(Kind.PAGE, 3, 9, 1334, 1887, 123_456, 789)
    assert Head.unpack(head.pack()) == head
    assert Verdict.decode(Verdict("signal", 11, 0.5).encode()) == Verdict("signal", 11, 0.5)
