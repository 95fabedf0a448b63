"""Writes the repository that declares the demo's services, as an owner would."""

import shutil
from pathlib import Path
from string import Template

from demo.host.shop import Shop

TEMPLATES = Path(__file__).parent.parent / "repository"


def declare(shop: Shop, repos: Path) -> None:
    """Render `demo/repository/` into `repos/shop/`: optional services only where they run."""
    target = repos / "shop"
    shutil.copytree(TEMPLATES / "shop", target, dirs_exist_ok=True)
    services = (TEMPLATES / "services.yaml").read_text(encoding="utf-8")
    for optional in ("cache", "proxy"):
        if optional in shop.ports:
            services += (TEMPLATES / f"services-{optional}.yaml").read_text(encoding="utf-8")
    prose = (TEMPLATES / "prose.md").read_text(encoding="utf-8")
    values = {
        **{f"{name}_port": str(port) for name, port in shop.ports.items()},
        "database_sockets": str(shop.database.place.sockets),
        "cluster": shop.cluster,
    }
    text = Template(f"---\nversion: 1\nservices:\n{services}---\n\n{prose}").substitute(values)
    fresh = target / ".manifest.new"
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(target / "CLAUDE-OPS.md")
