"""Looking at an incident's services with our own probes, and waiting between looks."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from activities.probes import ProbeActivities
from domain.incident import IncidentState, Verification
from domain.work import ProbeOrder, ProbeReport, VerifyOrder
from workflows import options
from workflows.case import Case, Clerk


class Looker:
    """The model's word is evidence; what this class sees is the verdict."""

    def __init__(self, case: Case, clerk: Clerk) -> None:
        self._case = case
        self._clerk = clerk

    async def probe(self, purpose: str) -> ProbeReport:
        """One round. Remembers where none of the services is declared any more."""
        order = ProbeOrder(services=self._case.services, purpose=purpose)
        report = await workflow.execute_activity_method(
            ProbeActivities.probe_now, order, **options.PROBE, summary=purpose
        )
        self._case.gone = report.gone
        return report

    async def verify(self, *, acted: bool) -> Verification:
        """Fixed means verified. Where nothing was done, one look tells whether waiting makes sense at all."""
        if not acted:
            report = await self.probe("look")
            if not report.green:
                return Verification(verified=False, green_s=0, summary=report.summary)
        await self._clerk.state(
            IncidentState.VERIFYING, f"verifying the work of tier {self._case.tier} with our own probes"
        )
        policy = self._case.start.policy
        order = VerifyOrder(
            services=self._case.services,
            window_s=policy.verify_window_s,
            interval_s=policy.verify_interval_s,
            timeout_s=policy.verify_timeout_s if acted else 0,
        )
        return await workflow.execute_activity_method(
            ProbeActivities.verify,
            order,
            **options.verifying(policy.verify_window_s, policy.verify_timeout_s),
            summary="verify",
        )

    async def pause(self, seconds: float, until: Callable[[], bool]) -> None:
        """Wait, but no longer than until the incident is closed or `until` holds."""
        try:
            await workflow.wait_condition(
                lambda: self._case.closing is not None or until(),
                timeout=timedelta(seconds=max(0.0, seconds)),
                timeout_summary="look again",
            )
        except TimeoutError:
            return
