"""Whether a database fits is known without alembic, and never otherwise than alembic knows it."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from mailq.errors import Misconfigured
from mailq.store import migrate, revision
from mailq.store.database import Database


def test_the_revision_we_ask_for_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    scripts = ScriptDirectory.from_config(config)

    assert scripts.get_current_head() == revision.HEAD
    assert all(len(script.revision) == 4 and script.revision.isdecimal() for script in scripts.walk_revisions())


def test_a_migrated_database_fits(database: Database) -> None:
    revision.require_up_to_date(database)
    assert revision.revision(database) == migrate.upgrade(database)


@pytest.mark.parametrize(("current", "said"), [("9999", "install a newer one"), ("0000", "stands at revision 0000")])
def test_a_database_of_another_version_is_refused(database: Database, current: str, said: str) -> None:
    with database.begin() as tx:
        tx.execute(text("UPDATE schema_revision SET version_num = :current"), {"current": current})

    with pytest.raises(Misconfigured, match=said):
        revision.require_up_to_date(database)


def test_a_database_of_the_future_is_not_migrated(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text("UPDATE schema_revision SET version_num = '9999'"))

    with pytest.raises(Misconfigured, match="9999"):
        migrate.upgrade(database)
    assert revision.revision(database).current == "9999"


def test_asking_does_not_import_alembic() -> None:
    program = "import sys, mailq.store.revision, workers.membership; print('alembic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={"MAILQ_REDIS_URL": "redis://h"}
    )

    assert done.stdout == "False\n", done.stderr
