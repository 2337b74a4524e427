"""Slots: by lane, by owner, in all."""

from app.notify.lanes import LaneLimits, Lanes


def test_a_full_lane_leaves_the_others_free() -> None:
    lanes = Lanes(LaneLimits(per_lane=2, per_owner=9, total=9))
    assert [lanes.take("slow", "anna") for _ in range(3)] == [True, True, False]
    assert lanes.take("fast", "anna")
    assert lanes.full_lanes() == ["slow"]
    lanes.give_back("slow", "anna")
    assert lanes.full_lanes() == []


def test_an_owner_with_many_lanes_leaves_the_others_free() -> None:
    lanes = Lanes(LaneLimits(per_lane=2, per_owner=3, total=9))
    assert [lanes.take(f"host {number}", "anna") for number in range(4)] == [True, True, True, False]
    assert lanes.full_owners() == ["anna"]
    assert lanes.take("host 0 of ben", "ben")


def test_all_together_are_bounded() -> None:
    lanes = Lanes(LaneLimits(per_lane=2, per_owner=2, total=3))
    assert [lanes.take("lane", f"owner {number}") for number in range(2)] == [True, True]
    assert lanes.take("other", "owner 3")
    assert lanes.free == 0
    assert not lanes.take("another", "owner 4")
