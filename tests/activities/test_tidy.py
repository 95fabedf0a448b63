"""What a model wrote is bounded and without secrets before it enters a workflow's history."""

import pytest

from activities.tidy import MAX_ITEMS, tidy_deferred, tidy_report
from domain.memory import MAX_STATED, MAX_TEXT, Learned, MemoryCategory
from domain.session import Deferred, ServiceFinding, TierReport
from policy.redaction import redactor

SECRET = "sk-ant-api03-abcdefghijklmnop"


def test_a_report_keeps_no_secret_and_no_endless_list() -> None:
    finding = ServiceFinding(service="local/web", evidence=(f"env: {SECRET}",))
    learned = Learned(category=MemoryCategory.PLACE, text=f"the key is {SECRET}")
    report = TierReport(summary=f"key {SECRET} " + "x" * 3900, services=(finding,) * 500, memories=(learned, learned))
    tidied = tidy_report(report, redactor([SECRET]))
    assert tidied is not None
    assert SECRET not in tidied.model_dump_json()
    assert len(tidied.services) == MAX_ITEMS
    assert [one.text for one in tidied.memories] == ["the key is [redacted]"] * 2


@pytest.mark.parametrize("mark", ["\u200b", "\u2060", "\ufeff", "\x1b[0m", "\x00"])
def test_a_secret_that_invisible_marks_cut_in_two_is_found(mark: str) -> None:
    hidden = SECRET[:5] + mark + SECRET[5:]
    learned = Learned(category=MemoryCategory.PLACE, text=f"the key is {hidden}")
    tidied = tidy_report(TierReport(summary=hidden, handoff=f"{hidden}\nnext", memories=(learned,)), redactor([SECRET]))
    assert tidied is not None
    assert (tidied.summary, tidied.handoff) == ("[redacted]", "[redacted]\nnext")
    assert [one.text for one in tidied.memories] == ["the key is [redacted]"]
    parked = Deferred(tool_use_id="toolu_1", tool="act", input={hidden: 1})
    deferred = tidy_deferred(parked, redactor([SECRET]))
    assert deferred is not None
    assert deferred.input == {"[redacted]": 1}


def test_a_memory_that_does_not_fit_is_left_out_and_the_report_stays() -> None:
    good = {"category": "timing", "text": "z" * 900, "confidence": 9}
    wrong = ["a sentence", {"category": "orders", "text": "x"}, {"category": "place", "text": 7}, {}, None]
    report = TierReport.model_validate({"summary": "s", "memories": [*wrong, *[good] * 20]})
    assert {len(one.text) for one in report.memories} == {MAX_TEXT}
    assert len(report.memories) == MAX_STATED
    assert TierReport.model_validate({"summary": "s", "memories": "all"}).memories == ()


def test_a_mask_that_is_longer_than_its_secret_does_not_make_the_report_invalid() -> None:
    report = TierReport(summary="hunter " * 571)
    assert tidy_report(report, lambda text: text.replace("hunter", "[redacted]")) is not None


def test_a_parked_call_can_always_be_sent() -> None:
    deep: dict[str, object] = {"a\ud800": "\ud800", "deep": [[[[[[[[[[1]]]]]]]]]]}
    tidied = tidy_deferred(Deferred(tool_use_id="toolu_1", tool="act", input=deep), lambda text: text)
    assert tidied is not None
    assert "\ufffd" in tidied.model_dump_json()
