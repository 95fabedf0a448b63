"""The smallest workflow that needs the clock, in a file of its own: the sandbox imports it again for every run."""

from datetime import timedelta

from temporalio import workflow


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self, hours: int) -> float:
        """Sleeps; gives the seconds that passed for it."""
        began = workflow.now()
        await workflow.sleep(timedelta(hours=hours))
        return (workflow.now() - began).total_seconds()
