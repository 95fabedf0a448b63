"""Numbers for Prometheus, read when it asks. What Temporal alone knows is left out while it is away."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from web.services.metrics import Numbers
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /metrics."""
    registry = CollectorRegistry()
    registry.register(_Once(await site_of(request).metrics.read()))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})


class _Once(Collector):
    """The numbers of one request."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """One family per number."""
        n = self._numbers
        yield GaugeMetricFamily("tiercel_sessions_running", "Processes of sessions that run now.", n.running)
        if n.queued is not None:
            yield GaugeMetricFamily("tiercel_sessions_queued", "Sessions that wait for a free place.", n.queued)
        yield GaugeMetricFamily("tiercel_temporal_up", "1 while Temporal answers.", int(n.queued is not None))
        yield GaugeMetricFamily("tiercel_incidents_open", "Incidents that are not over.", n.open_incidents)
        yield GaugeMetricFamily("tiercel_incidents_needing_a_person", "Incidents handed to a person.", n.needs_person)
        yield GaugeMetricFamily("tiercel_approvals_waiting", "Questions that wait for a person.", n.approvals)
        yield _labelled("tiercel_services", "Declared services by health.", "status", n.services)
        yield _labelled("tiercel_cost_usd", "Counted by the gateway, in US dollars.", "window", n.cost_usd)
        yield _labelled(
            "tiercel_budget_limit_usd", "What all sessions may cost; only set limits.", "window", n.budget_limit_usd
        )
        yield GaugeMetricFamily(
            "tiercel_budget_reserved_usd", "What running sessions may still cost.", n.budget_reserved_usd
        )
        yield GaugeMetricFamily("tiercel_budget_paused", "1 while no session may begin.", int(n.budget_paused))
        yield _labelled("tiercel_model_tokens", "Counted by the gateway.", "window", n.tokens)
        yield _labelled("tiercel_model_calls", "Requests to the model API.", "window", n.calls)
        if n.patrol_at is not None:
            help_ = "When the last patrol ended, in seconds since 1970."
            yield GaugeMetricFamily("tiercel_last_patrol_timestamp_seconds", help_, n.patrol_at)


def _labelled(name: str, help_: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
