"""Whether a wish may become an action: each rule by itself, and every spelling of a target."""

import pytest

from domain.action import ActionKind, CooldownClass, Risk
from domain.incident import EscalationPolicy
from domain.inventory import Inventory, Limits, Service, ServiceKind
from domain.ledger import CooldownRule
from policy import actions
from policy.actions import TABLE, Verdict, blast_radius, cooldown_rule, judge, reach
from tests.support.builders import inventory, service, sid

POLICY = EscalationPolicy(tiers=())
SHOP = inventory(
    service("db"),
    service("web", "db", aliases=("shop", "Frontend"), target="shop-web-1"),
    service("worker", "db", approval=(ActionKind.RESTART,)),
    service("proxy", "web", "blog"),
    service("blog"),
    service("nas", kind=ServiceKind.EXTERNAL),
    service("quiet", actions=()),
    service("reload-only", actions=(ActionKind.RELOAD_CONFIG, ActionKind.START)),
)


def wish(kind: str = "restart", target: str = "web", tier: int = 2, incident: tuple[str, ...] = ()) -> Verdict:
    return judge(SHOP, frozenset(sid(i) for i in incident), tier, kind, target, {})


# ---------------------------------------------------------------- what is allowed


def test_a_restart_of_a_declared_service_is_allowed_and_named_in_our_words() -> None:
    verdict = wish()
    assert verdict.decision == "allow"
    assert (verdict.kind, verdict.target, verdict.rule) == (ActionKind.RESTART, sid("web"), TABLE[ActionKind.RESTART])
    assert verdict.reason == ""


@pytest.mark.parametrize(
    "spelling",
    [
        "web",
        "WEB",
        " web ",
        "local/web",
        "LOCAL/Web",
        "shop",
        "frontend",
        "local/shop",
        "shop-web-1",
        "\uff57\uff45\uff42",
        "\uff2cocal\uff0fweb",
    ],
)
def test_every_spelling_means_the_same_service(spelling: str) -> None:
    assert wish(target=spelling).target == sid("web")


def test_a_service_that_wants_a_person_gets_one() -> None:
    assert wish(target="worker").decision == "approval"
    assert wish(kind="start", target="worker").decision == "allow"


def test_a_kind_that_always_wants_a_person_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    row = TABLE[ActionKind.RECREATE].model_copy(update={"approval": True})
    monkeypatch.setitem(actions.TABLE, ActionKind.RECREATE, row)
    assert wish(kind="recreate", tier=3).decision == "approval"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("kind", ["", "RESTART", "restart ", "rm", "prune", "exec", "delete_volume", "x" * 5000])
def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(kind: str) -> None:
    verdict = wish(kind=kind)
    assert verdict.decision == "deny"
    assert verdict.kind is None
    assert verdict.rule is None
    assert f"the kinds are {', '.join(ActionKind)}" in verdict.reason
    assert len(verdict.reason) < 250


@pytest.mark.parametrize(
    "target", ["", "nothing", "../web", "web;reboot", "local/", "other/web", "we", "web\x00", "x" * 5000]
)
def test_a_target_outside_of_the_inventory_is_refused(target: str) -> None:
    verdict = wish(target=target)
    assert verdict.decision == "deny"
    assert verdict.target is None
    assert "is not one service of the inventory" in verdict.reason
    assert len(verdict.reason) < 250


def test_a_name_that_two_services_answer_to_acts_on_neither() -> None:
    twins = inventory(service("a", aliases=("app",)), service("b", aliases=("App",)))
    for spelling in ("app", "APP", "local/app", "\uff41\uff50\uff50"):
        assert judge(twins, frozenset(), 3, "restart", spelling, {}).decision == "deny"


@pytest.mark.parametrize("params", [{"force": True}, {"signal": "KILL"}, {"": ""}, {"stop_wait_s ": 5}])
def test_params_that_a_kind_does_not_have_are_refused(params: dict[str, object]) -> None:
    known = judge(SHOP, frozenset(), 2, "restart", "web", params).reason
    assert known == f"'restart' has no param '{next(iter(params))}'; it takes stop_wait_s (1 to 60 seconds)"
    assert judge(SHOP, frozenset(), 2, "start", "web", params).reason == "'start' takes no params here; leave them out"


@pytest.mark.parametrize("value", [0, 61, -1, True, "10", 10.0, None, [10], {"s": 10}, 10**30])
def test_a_param_out_of_its_bounds_is_refused(value: object) -> None:
    verdict = judge(SHOP, frozenset(), 2, "restart", "web", {"stop_wait_s": value})
    assert verdict.reason == "stop_wait_s must be a whole number, 1 to 60 seconds"


def test_a_param_within_its_bounds_is_part_of_the_exact_action() -> None:
    verdict = judge(SHOP, frozenset(), 2, "restart", "web", {"stop_wait_s": 30})
    assert (verdict.decision, verdict.params) == ("allow", {"stop_wait_s": 30})
    units = inventory(service("web", kind=ServiceKind.UNIT))
    assert judge(units, frozenset(), 2, "restart", "web", {"stop_wait_s": 30}).decision == "deny"


@pytest.mark.parametrize("kind", list(ActionKind))
@pytest.mark.parametrize("tier", [0, 1, 2, 3])
def test_a_tier_below_the_table_is_told_to_escalate(kind: ActionKind, tier: int) -> None:
    verdict = wish(kind=kind, tier=tier)
    if tier < TABLE[kind].tier:
        assert verdict.decision == "deny"
        assert (
            verdict.reason == f"tier {tier} may not {kind}; it starts at tier {TABLE[kind].tier}: report and escalate"
        )
    else:
        assert verdict.decision == "allow"


def test_the_table_is_the_one_that_was_agreed_on() -> None:
    assert {k: (r.tier, r.risk, r.cooldown_class, r.reversible, r.approval) for k, r in TABLE.items()} == {
        ActionKind.RESTART: (2, Risk.LOW, CooldownClass.RESTART, False, False),
        ActionKind.START: (2, Risk.LOW, CooldownClass.RESTART, False, False),
        ActionKind.UNPAUSE: (2, Risk.LOW, CooldownClass.RESTART, True, False),
        ActionKind.RELOAD_CONFIG: (2, Risk.LOW, CooldownClass.REMEDY, False, False),
        ActionKind.RECREATE: (3, Risk.MEDIUM, CooldownClass.REDEPLOY, False, False),
        ActionKind.COMPOSE_UP: (3, Risk.MEDIUM, CooldownClass.REDEPLOY, False, False),
    }
    assert set(TABLE) == set(ActionKind), "a kind without a row could be asked for and never judged"


@pytest.mark.parametrize("kind", list(ActionKind))
def test_nothing_is_done_to_what_is_only_watched(kind: ActionKind) -> None:
    assert wish(kind=kind, target="nas", tier=3).reason == "local/nas is watched only; nothing may be done to it"


def test_a_kind_that_the_service_does_not_allow_is_refused_with_those_that_it_does() -> None:
    assert wish(target="quiet").reason == "local/quiet does not allow restart; allowed: none"
    assert (
        wish(target="reload-only").reason == "local/reload-only does not allow restart; allowed: reload_config, start"
    )


def test_a_refusal_names_the_kind_and_target_once_they_are_known() -> None:
    verdict = wish(target="nas")
    assert (verdict.kind, verdict.target, verdict.rule) == (ActionKind.RESTART, sid("nas"), TABLE[ActionKind.RESTART])


# ---------------------------------------------------------------- an incident's reach


@pytest.mark.parametrize(
    ("incident", "target", "decision"),
    [
        ("web", "web", "allow"),
        ("web", "db", "allow"),  # what it needs
        ("web", "proxy", "allow"),  # what needs it
        ("web", "worker", "deny"),  # another one that needs the database
        ("web", "blog", "deny"),  # what a dependent needs besides
        ("blog", "web", "deny"),
        ("db", "proxy", "allow"),  # indirectly
        ("proxy", "db", "allow"),
    ],
)
def test_only_what_has_a_part_in_the_incident_may_be_touched(incident: str, target: str, decision: str) -> None:
    verdict = wish(target=target, incident=(incident,))
    wanted = "approval" if decision == "allow" and target == "worker" else decision
    assert verdict.decision == wanted
    if decision == "deny":
        assert "has no part in this incident" in verdict.reason


def test_a_look_at_everything_reaches_everything() -> None:
    assert wish(target="blog", incident=()).decision == "allow"


def test_a_shared_network_is_a_need_in_both_directions() -> None:
    tunnel = inventory(
        service("vpn"), service("torrent", network="vpn"), service("indexer", network="vpn"), service("gui", "torrent")
    )
    assert reach(tunnel, frozenset({sid("torrent")})) == {sid("torrent"), sid("vpn"), sid("gui")}
    assert reach(tunnel, frozenset({sid("vpn")})) == {s.id for s in tunnel.services}


def test_cycles_and_unknown_services_end() -> None:
    ring = inventory(service("a", "b"), service("b", "c"), service("c", "a"), service("d"))
    assert reach(ring, frozenset({sid("a")})) == {sid("a"), sid("b"), sid("c")}
    assert reach(ring, frozenset({sid("gone")})) == {sid("gone")}
    assert reach(Inventory(), frozenset()) == frozenset()


# ---------------------------------------------------------------- who notices


def test_the_blast_radius_names_who_depends_on_it() -> None:
    radius = blast_radius(SHOP, sid("db"), ActionKind.RESTART)
    assert radius.dependents == (sid("web"), sid("worker"), sid("proxy"))
    assert radius.sentence == "3 services depend on it: local/web, local/worker, local/proxy; no data is touched."


def test_the_blast_radius_of_something_alone_says_so() -> None:
    radius = blast_radius(SHOP, sid("nas"), ActionKind.RESTART)
    assert radius.dependents == ()
    assert radius.sentence == "nothing else depends on it; no data is touched."


def test_replacing_what_lends_its_network_takes_the_others_along() -> None:
    tunnel = inventory(service("vpn"), service("torrent", network="vpn"))
    radius = blast_radius(tunnel, sid("vpn"), ActionKind.RECREATE)
    assert radius.shares_network == (sid("torrent"),)
    assert "local/torrent share its network and must be recreated too" in radius.sentence
    assert "its definition is applied anew; volumes are kept" in radius.sentence
    assert "share its network" not in blast_radius(tunnel, sid("vpn"), ActionKind.RESTART).sentence


def test_replacing_puts_data_at_risk_and_names_who_shares_it() -> None:
    data = ("shop_pg", "/srv/files")
    shop = inventory(
        service("db", volumes=data), service("backup", volumes=("shop_pg",)), service("far", node="nas", volumes=data)
    )
    radius = blast_radius(shop, sid("db"), ActionKind.RECREATE)
    assert (radius.volumes, radius.shares_volumes, radius.data_at_risk) == (data, (sid("backup"),), True)
    assert "local/backup use the same data" in radius.sentence
    assert "whatever it names now opens shop_pg, /srv/files" in radius.sentence
    assert not blast_radius(shop, sid("db"), ActionKind.RESTART).data_at_risk
    assert "is lost" in blast_radius(inventory(service("web")), sid("web"), ActionKind.RECREATE).sentence


# ---------------------------------------------------------------- limits


def test_the_owner_s_limits_hold_where_a_service_has_none_of_its_own() -> None:
    assert cooldown_rule(POLICY, Limits(), CooldownClass.RESTART) == CooldownRule(limit=2, window_s=14_400)
    assert cooldown_rule(POLICY, Limits(), CooldownClass.REDEPLOY) == CooldownRule(limit=1, window_s=86_400)
    assert cooldown_rule(POLICY, Limits(), CooldownClass.REMEDY) == CooldownRule(limit=4, window_s=14_400)


def test_a_service_s_own_limit_tightens_also_to_zero_and_never_loosens() -> None:
    own = Limits(restarts=0, redeploys=0, redeploy_window_s=172_800)
    assert cooldown_rule(POLICY, own, CooldownClass.RESTART) == CooldownRule(limit=0, window_s=14_400)
    assert cooldown_rule(POLICY, own, CooldownClass.REDEPLOY) == CooldownRule(limit=0, window_s=172_800)
    loose = Limits(restarts=100, restart_window_s=9)
    assert cooldown_rule(POLICY, loose, CooldownClass.RESTART) == CooldownRule(limit=2, window_s=14_400)


def test_a_service_is_what_the_helper_says() -> None:
    """Without this, a helper that allows nothing would let every refusal test pass."""
    assert isinstance(service("x"), Service)
    assert service("x").actions == tuple(ActionKind)
