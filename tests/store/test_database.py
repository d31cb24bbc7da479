"""Making a store, bringing an older one up, refusing what is not ours to touch."""

import os
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hoptrail_store import database, migrations
from hoptrail_store.errors import CorruptStoreError, ForeignStoreError, NewerStoreError, UnavailableStoreError
from hoptrail_store.migrations import Step
from hoptrail_store.reader import open_readonly
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store

STEPS = (
    Step(2, "CREATE TABLE extra (a INTEGER PRIMARY KEY);"),
    Step(3, "ALTER TABLE extra ADD COLUMN b TEXT; INSERT INTO extra (b) VALUES ('x');"),
)


def dump(path) -> list[str]:
    with sqlite3.connect(path) as connection:
        return sorted(sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def test_a_new_store_is_in_wal_mode_and_of_the_present_version(settings):
    with Store.open(settings) as store:
        assert store.db.journal_mode == "wal"
        assert store.db.execute("PRAGMA user_version").fetchone() == (database.schema_version(migrations.steps()),)
        assert store.db.execute("PRAGMA application_id").fetchone() == (database.APPLICATION_ID,)


def test_a_folder_in_its_place_is_no_failing_disk(tmp_path):
    with pytest.raises(UnavailableStoreError, match="a folder; name the file itself"):
        Store.open(StoreSettings(path=str(tmp_path)))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnavailableStoreError, match=f"there is no folder {tmp_path}/absent: "):
        Store.open(StoreSettings(path=f"{tmp_path}/absent/store.sqlite"))


def test_a_new_store_belongs_to_its_folders_owner(settings):
    folder = Path(settings.path).parent
    owner = 65534 if os.geteuid() == 0 else os.geteuid()  # root may give the folder away, others have their own
    os.chown(folder, owner, -1)
    Store.open(settings).close()
    assert {path.stat().st_uid for path in folder.iterdir()} == {owner}


def test_a_file_that_root_did_not_make_is_not_given_away(settings, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.touch()
    folder = tmp_path / "of-another"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, -1)
    (folder / "store.sqlite").symlink_to(treasure)
    Store.open(replace(settings, path=f"{folder}/store.sqlite")).close()
    assert treasure.stat().st_uid == os.geteuid()


def test_an_older_store_is_migrated_and_backed_up(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record()])
    database.prepare(Path(settings.path), wait_s=1, steps=STEPS)
    with sqlite3.connect(settings.path) as connection:
        assert connection.execute("SELECT a, b FROM extra").fetchall() == [(1, "x")]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM message").fetchone() == (1,)
    with sqlite3.connect(f"{settings.path}.v1") as backup:
        assert backup.execute("SELECT count(*) FROM message").fetchone() == (1,)
        assert backup.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_migration_that_fails_changes_nothing(settings):
    Store.open(settings).close()
    before = dump(settings.path)
    broken = Step(2, "CREATE TABLE extra (a); INSERT INTO absent VALUES (1);")
    with pytest.raises(Exception, match="absent"):
        database.prepare(Path(settings.path), wait_s=1, steps=(broken,))
    assert dump(settings.path) == before
    Store.open(settings).close()


def test_steps_are_numbered_without_gaps():
    versions = [step.version for step in migrations.steps()]
    assert versions == list(range(2, 2 + len(versions)))


def test_a_newer_store_is_refused(settings):
    Store.open(settings).close()
    database.prepare(Path(settings.path), wait_s=1, steps=STEPS)
    with pytest.raises(NewerStoreError, match=r"schema 3, this one knows 1"):
        Store.open(settings)
    with pytest.raises(NewerStoreError), open_readonly(settings.path):
        pass


def test_another_programs_database_is_refused_and_left_alone(settings):
    with sqlite3.connect(settings.path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = Path(settings.path).read_bytes()
    with pytest.raises(ForeignStoreError):
        Store.open(settings)
    assert Path(settings.path).read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(settings):
    Path(settings.path).write_bytes(b"From nobody Thu Jan  1 00:00:00 2004\n" * 100)
    with pytest.raises(CorruptStoreError, match="not an SQLite file"):
        Store.open(settings)
    assert Path(settings.path).read_bytes().startswith(b"From nobody")


@pytest.mark.parametrize("size_bytes", [1, 100, 511])
def test_a_file_too_short_for_sqlite_is_refused_and_left_alone(settings, size_bytes):
    content = b"\n" * size_bytes
    Path(settings.path).write_bytes(content)
    for opening in (lambda: Store.open(settings), lambda: open_readonly(settings.path).__enter__()):
        with pytest.raises(CorruptStoreError, match="not an SQLite file"):
            opening()
    assert Path(settings.path).read_bytes() == content


def test_an_empty_file_becomes_a_store(settings, make_record):
    Path(settings.path).touch()
    with Store.open(settings) as store:
        assert store.put([make_record()]) == 1


def test_every_table_and_column_is_explained_in_the_schema():
    comment = ""
    for line in migrations.schema().splitlines():
        if line.startswith("--"):
            comment += line
        elif table := re.match(r"CREATE (TABLE|VIEW) (\w+)", line):
            assert comment, f"{table[2]} stands there without a word"
        elif not line:
            comment = ""
