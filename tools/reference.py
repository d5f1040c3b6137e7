"""
Write the generated pages (`./run docs`): docs/reference, SECURITY.md, and what of the chart is made from other files.

They come from the application as the tests build it, over stores in memory: nothing has to run.
"""

from pathlib import Path

from governlayer_server.adapters.postgres.migrate import migration_modules
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.inventory_page import inventory_page
from governlayer_server.web.access_table import access_table
from governlayer_server.web.security_policy import security_policy

from tests.server.web.conftest import Site
from tools import controls
from tools.chart_values import CHART, chart_readme
from tools.migrations_page import migrations_page

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
MONITORING = ROOT / "deploy" / "monitoring"


def pages() -> dict[Path, str]:
    """Return the text of each generated page by its path."""
    return {
        ROOT / "SECURITY.md": security_policy(),
        CHART / "README.md": chart_readme(),
        **{
            CHART / "files" / name: (MONITORING / name).read_text("utf-8") for name in ("alerts.yaml", "dashboard.json")
        },
        REFERENCE / "access.md": access_table(Site().app._app),
        REFERENCE / "data-inventory.md": inventory_page(shipped_inventory()),
        REFERENCE / "migrations.md": migrations_page(migration_modules()),
        **controls.pages(),
    }


def main() -> None:
    """Write all pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
