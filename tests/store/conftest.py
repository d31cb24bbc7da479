import pytest

from hoptrail_store.settings import StoreSettings
from store.samples import record_maker


@pytest.fixture
def make_record():
    return record_maker()


@pytest.fixture
def settings(tmp_path) -> StoreSettings:
    return StoreSettings(path=str(tmp_path / "store.sqlite"))
