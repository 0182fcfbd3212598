"""The in-memory blob storage keeps what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryBlobStorage
from cqrs_ddd_core.testing.contracts.blob import BlobContract


class TestInMemoryBlobStorage(BlobContract):
    @pytest.fixture
    def blob_storage(self) -> InMemoryBlobStorage:
        return InMemoryBlobStorage()
