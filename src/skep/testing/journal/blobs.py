"""put_blob, stage_blob, get_blob."""
# ruff: noqa: S101 - pytest's assertions, on literal expectations

from __future__ import annotations

import asyncio

import pytest

from skep.errors import BlobNotFound
from skep.testing.aio import in_loop
from skep.testing.journal.kit import NewStore, Part, events, opened


class BlobContract(Part):
    """put_blob, stage_blob, get_blob."""

    @in_loop
    async def test_bytes_come_back_by_digest_to_those_who_mention_them(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            sha256 = await journal.put_blob(b"hello", log="run:a")
            assert sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
            assert await journal.get_blob(sha256) == await journal.get_blob(sha256, log="run:a") == b"hello"
            with pytest.raises(BlobNotFound):
                await journal.get_blob(sha256, log="run:b")
            assert await journal.put_blob(b"hello", log="run:b") == sha256
            assert await journal.get_blob(sha256, log="run:b") == b"hello"
            empty = await journal.put_blob(b"")
            assert await journal.get_blob(empty) == b""

    @pytest.mark.parametrize(
        "digest", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63 + "\n", "\udc80" * 64]
    )
    @in_loop
    async def test_an_unknown_digest_is_refused(self, new_store: NewStore, digest: str) -> None:
        async with opened(new_store()()) as journal:
            for log in (None, "run:a"):
                with pytest.raises(BlobNotFound):
                    await journal.get_blob(digest, log=log)

    @in_loop
    async def test_staged_bytes_are_there_with_the_next_append(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            sha256 = journal.stage_blob(b"staged", log="run:a")
            await journal.flushed(journal.append("run:a", 1, events("x")))
            assert await journal.get_blob(sha256, log="run:a") == b"staged"

    @in_loop
    async def test_many_writers_of_the_same_bytes_agree(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            logs = [f"run:{number}" for number in range(20)]
            digests = await asyncio.gather(*(journal.put_blob(b"same", log=log) for log in logs))
            assert len(set(digests)) == 1
            for log in logs:
                assert await journal.get_blob(digests[0], log=log) == b"same"
