"""What Prometheus reads: the same numbers as the pages, in its own format."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.browser import Dashboard

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_scrape_tells_what_the_pages_tell(house: Dashboard):
    async with aiohttp.ClientSession(house.url) as web, web.get("/metrics") as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (s.name, *s.labels.values()): s.value for family in text_string_to_metric_families(text) for s in family.samples
    }
    overview = await house.site.insights.overview()
    assert found["tiercel_sessions_running",] == overview.counts.running_sessions == 1
    assert found["tiercel_approvals_waiting",] == len(overview.approvals) == 1
    assert found["tiercel_services", "down"] == overview.counts.down
    assert found["tiercel_model_tokens", "today"] == overview.today.tokens
    assert found["tiercel_cost_usd", "month"] >= found["tiercel_cost_usd", "today"]
    assert found["tiercel_temporal_up",] == 0
    assert ("tiercel_sessions_queued",) not in found, "nobody knows it while Temporal is away"
