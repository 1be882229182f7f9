"""The command line beside one database and in a folder, where files are applied and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from collector import db
from collector.keyring import Keyring
from collector.operator.account import add_account
from collector.operator.main import main
from collector.secret import stored_secrets
from tests.support.database import Database


class Vantage:
    def __init__(self, database: Database, folder: Path) -> None:
        self.url = database.url(role="vantage_collector")
        self.owner = database.url()
        self.folder = folder
        self.keyring = Keyring(folder / "secret.key")

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        options = [f"--database={self.url}", f"--home={self.folder}"]
        result = CliRunner().invoke(main, [*arguments, *options], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert "Traceback" not in result.output
        return result

    def apply(self, text: str, *options: str) -> Result:
        (self.folder / "v.yaml").write_text(text)
        return self("apply", str(self.folder / "v.yaml"), *options)

    def changes(self, text: str, *options: str) -> list[tuple[str, str, str]]:
        result = self.apply(text, "--json", *options)
        assert result.exit_code == 0, result.output
        found = json.loads(result.output)["changes"]
        return [(each["action"], each["kind"], each["key"]) for each in found]

    def shown(self, host: str) -> dict[str, Any]:
        listed = json.loads(self("monitor", "list", "--json").output)
        [number] = [each["id"] for each in listed if host in each["url"]]
        found: dict[str, Any] = json.loads(self("monitor", "show", str(number), "--json").output)
        return found

    def secrets(self) -> dict[str, str]:
        """Return the secret headers of the only monitor that has any."""
        with db.session(self.url) as connection:
            [row] = connection.execute("SELECT DISTINCT monitor_id FROM vantage.secrets")
            return dict(stored_secrets(connection, row["monitor_id"], self.keyring).headers)


def with_account(database: Database, folder: Path) -> Vantage:
    """Where one account is, and nothing to watch."""
    vantage = Vantage(database, folder)
    with db.session(vantage.url) as connection:
        add_account(connection, "acme", "a@acme.example", "long enough")
    return vantage
