"""RQ's stock commands, typed by hand, work a queue: all that is ours comes from the environment."""

from tests.support.workers import Service, service

__all__ = ["service"]


def test_a_document_goes_from_queued_to_done_through_the_stock_command(service: Service) -> None:
    service.worker()
    file_id = service.submit()
    record = service.wait_for(file_id, "api call done")
    assert [line["status"] for line in record["timeline"]] == [
        "saving",
        "queued",
        "processing",
        "conversion complete",
        "api call done",
    ]
    assert record["result"]
