"""The history of an incident's workflow, read from Temporal when somebody asks for it."""

from dataclasses import dataclass, field

from adapters.engine.history import TemporalHistory
from adapters.engine.look import EngineLook
from adapters.engine.updates import WorkflowGoneError
from domain.errors import EngineUnavailableError
from domain.history import HistoryPage, RunState
from web.services.engine_link import EngineLink


@dataclass(frozen=True)
class HistoryView:
    """Either `state` and `page`, or why there is nothing: `away` (Temporal's absence), or gone after `days`."""

    state: RunState | None = None
    page: HistoryPage = field(default_factory=HistoryPage)
    away: str = ""
    days: float = 0.0


class Histories:
    """Reads only. Nothing is shown from memory."""

    def __init__(self, history: TemporalHistory, look: EngineLook, engine: EngineLink) -> None:
        self._history = history
        self._look = look
        self._engine = engine

    async def read(self, workflow: str, run: str, token: str = "", *, failed: bool = False) -> HistoryView:
        """One page. Raises FatalError for a token that is none."""
        try:
            await self._engine.required()
            state = await self._history.state(workflow, run)
            return HistoryView(state=state, page=await self._history.page(workflow, run, token, failed=failed))
        except WorkflowGoneError:
            return HistoryView(days=await self._look.retention_days())
        except EngineUnavailableError as e:
            return HistoryView(away=str(e))
