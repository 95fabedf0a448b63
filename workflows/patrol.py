"""One sweep over everything: discover, probe, decide. Healthy and unchanged costs nothing but probes."""

from datetime import datetime, timedelta

from temporalio import workflow

from activities.patrol import PatrolActivities
from domain.engine import PATROL
from domain.ids import ServiceId
from domain.incident import PatrolInput, PatrolResult
from domain.notice import Notice, NoticeKind
from domain.work import AlertOrder, AlertReport, PatrolRecord, Survey, Sweep, SweepOrder
from workflows import options
from workflows.notices import tell


@workflow.defn(name=PATROL)
class PatrolWorkflow:
    """Started by the schedule `patrol`, or by a person."""

    @workflow.run
    async def run(self, order: PatrolInput) -> PatrolResult:
        """Survey, sweep, confirm what failed for the first time, alert, record."""
        started = workflow.now()
        patrol = workflow.info().workflow_id
        survey = await workflow.execute_activity_method(
            PatrolActivities.survey, **options.PROBE, summary="read the repositories"
        )
        sweep = await self._sweep(patrol, order.only)
        failing = await self._confirm(patrol, sweep, order.confirm_after_s)
        report = await self._alert(patrol, failing, order)
        if sweep.recovered:
            await workflow.execute_activity_method(PatrolActivities.tell_recovered, sweep, **options.ALERTS)
        await self._finish(patrol, started, survey, sweep, failing, report)
        await self._tell_flapping(sweep.flapping)
        return PatrolResult(
            services=sweep.services,
            failing=failing,
            opened=report.opened,
            joined=report.joined,
            held=report.held,
            problems=survey.problems,
        )

    async def _sweep(self, patrol: str, only: tuple[ServiceId, ...]) -> Sweep:
        order = SweepOrder(patrol=patrol, only=only)
        return await workflow.execute_activity_method(
            PatrolActivities.sweep, order, **options.PROBE, summary="probe side by side"
        )

    async def _confirm(self, patrol: str, sweep: Sweep, after_s: float) -> tuple[ServiceId, ...]:
        """A service that fails once is probed again after a pause; what recovers by itself opens nothing."""
        if not sweep.suspect:
            return sweep.failing
        await workflow.sleep(
            timedelta(seconds=after_s), summary=f"before probing {len(sweep.suspect)} suspect(s) again"
        )
        again = await self._sweep(patrol, sweep.suspect)
        return (*sweep.failing, *again.failing)

    async def _alert(self, patrol: str, failing: tuple[ServiceId, ...], order: PatrolInput) -> AlertReport:
        if not failing:
            return AlertReport()
        alert = AlertOrder(patrol=patrol, failing=failing, policy=order.policy, dry_run=order.dry_run)
        return await workflow.execute_activity_method(
            PatrolActivities.raise_alerts, alert, **options.ALERTS, summary="one incident for one cause"
        )

    async def _finish(
        self,
        patrol: str,
        started: datetime,
        survey: Survey,
        sweep: Sweep,
        failing: tuple[ServiceId, ...],
        report: AlertReport,
    ) -> None:
        record = PatrolRecord(
            patrol=patrol,
            started=started,
            ended=workflow.now(),
            services=sweep.services,
            failing=len(failing),
            opened=len(report.opened),
            problems=survey.problems,
        )
        workflow.set_current_details(
            f"{sweep.services} services, {len(failing)} failing, {len(report.opened)} incident(s) opened"
        )
        await workflow.execute_activity_method(PatrolActivities.finish_patrol, record, **options.RECORD)

    async def _tell_flapping(self, flapping: tuple[ServiceId, ...]) -> None:
        """A restless service is left alone, but its owner hears of it once a day."""
        day = workflow.now().strftime("%Y-%m-%d")
        for service in flapping:
            notice = Notice(
                key=f"flapping/{service}/{day}",
                kind=NoticeKind.NEEDS_PERSON,
                title=f"{service} is flapping",
                body="It changed between up and down several times within half an hour. Nothing was done to it.",
            )
            await tell(notice)
