from pathlib import Path

import pytest

from adapters.actions.router import EffectRouter
from config.settings import Settings
from domain.action import ActionKind
from domain.errors import FatalError
from domain.ids import service_id
from domain.inventory import Service, ServiceKind
from tests.support.demo_host import action


@pytest.fixture
def router(tmp_path: Path) -> EffectRouter:
    return EffectRouter.from_settings(Settings(units_socket=tmp_path / "units.sock"), str)


def service(kind: ServiceKind, *actions: ActionKind) -> Service:
    return Service(id=service_id("local", "web"), name="web", kind=kind, target="web", actions=actions)


def test_it_supports_only_what_the_inventory_allows_for_that_service(router: EffectRouter):
    assert router.supports(service(ServiceKind.UNIT, ActionKind.RESTART), ActionKind.RESTART)
    assert not router.supports(service(ServiceKind.UNIT, ActionKind.START), ActionKind.RESTART)
    assert not router.supports(service(ServiceKind.EXTERNAL, ActionKind.RESTART), ActionKind.RESTART)


async def test_what_is_external_is_never_acted_upon(router: EffectRouter):
    external = service(ServiceKind.EXTERNAL, *ActionKind)
    for kind in ActionKind:
        with pytest.raises(FatalError, match="nothing was done"):
            await router.perform(external, action(external, kind, None))
    with pytest.raises(FatalError, match="never acted upon"):
        await router.tail(external)


async def test_a_kind_that_is_not_allowed_is_refused_at_the_last_step_too(router: EffectRouter):
    unit = service(ServiceKind.UNIT, ActionKind.START)
    with pytest.raises(FatalError, match="not allowed"):
        await router.perform(unit, action(unit, ActionKind.RECREATE, None))


def test_without_a_socket_no_unit_is_supported():
    router = EffectRouter.from_settings(Settings(), str)
    assert not router.supports(service(ServiceKind.UNIT, ActionKind.RESTART), ActionKind.RESTART)
