"""A workflow with one activity, to see a trace go through Temporal. A file of its own for the sandbox."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def look(service: str) -> str:
    """Looks at nothing."""
    return f"{service} looked at"


@workflow.defn
class Traced:
    @workflow.run
    async def run(self, service: str) -> str:
        """Calls the activity once."""
        return await workflow.execute_activity(look, service, start_to_close_timeout=timedelta(seconds=20))
