"""Which images a model learnt from and was scored on: an index, filled from the registry, rebuilt if missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hematovision.data.golden import golden_part, rows_digest
from hematovision.data.manifest import GOLDEN, check_columns, manifest_digest
from hematovision.database import database_url, open_database, writing
from hematovision.errors import HematoVisionError
from hematovision.home import Home

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Engine

_COLUMNS = ("sha256", "label", "split")


def cells_digest(manifest: pd.DataFrame) -> str:
    """What a split manifest is called: its digest and that of its golden set."""
    return f"{manifest_digest(manifest)}-{rows_digest(golden_part(manifest))}"


class CellIndex:
    """Images by manifest and manifests by image; holds hashes, labels and splits, no path and no picture.

    A manifest is called MANIFEST-GOLDEN here, by its digest and that of its golden set: the first says nothing of the
    split. A cache: it may be deleted at any time. A manifest is entered whole or not at all, and only if its rows have
    the digests it is called by.
    """

    def __init__(self, engine: Engine) -> None:
        from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

        metadata = MetaData()
        self.engine = engine
        self.manifests = Table(
            "lineage_manifests",
            metadata,
            Column("number", Integer, primary_key=True),
            Column("digest", String, nullable=False, unique=True),
            Column("cells", Integer, nullable=False),
        )
        self.cells = Table(
            "lineage_cells",
            metadata,
            Column("manifest", Integer, nullable=False),
            Column("image", LargeBinary, nullable=False),
            Column("label", String, nullable=False),
            Column("split", String, nullable=False),
            Index("lineage_cells_by_image", "image"),
            Index("lineage_cells_by_manifest", "manifest", "split"),
        )
        metadata.create_all(engine)

    def enter(self, digest: str, manifest: pd.DataFrame) -> None:
        """Index a manifest; one that is there already is left as it is.

        Raises:
            HematoVisionError: its rows are not those of the digest.
        """
        from sqlalchemy import insert

        check_columns(manifest, _COLUMNS)
        if (found := cells_digest(manifest)) != digest:
            raise HematoVisionError(f"the manifest is not the one the version names: its digests are {found}")
        rows = manifest[list(_COLUMNS)].drop_duplicates().itertuples(index=False, name=None)
        with writing(self.engine) as connection:
            if self._number(connection, digest) is not None:
                return
            entered = connection.execute(insert(self.manifests).values(digest=digest, cells=len(manifest)))
            number = entered.inserted_primary_key[0] if entered.inserted_primary_key else None
            cells = [
                {"manifest": number, "image": bytes.fromhex(image), "label": label, "split": split}
                for image, label, split in rows
            ]
            connection.execute(insert(self.cells), cells)

    def _number(self, connection: Any, digest: str) -> int | None:
        from sqlalchemy import select

        query = select(self.manifests.c.number).where(self.manifests.c.digest == digest)
        number: int | None = connection.execute(query).scalar()
        return number

    def digests(self) -> Mapping[str, int]:
        """The manifests that are indexed, with the number of their cells."""
        from sqlalchemy import select

        with self.engine.connect() as connection:
            rows = connection.execute(select(self.manifests.c.digest, self.manifests.c.cells)).all()
        return {str(row.digest): int(row.cells) for row in rows}

    def manifests_of(self, image: str) -> list[tuple[str, str, str]]:
        """Digests, label and split of every row with this image."""
        from sqlalchemy import select

        query = (
            select(self.manifests.c.digest, self.cells.c.label, self.cells.c.split)
            .join_from(self.cells, self.manifests, self.cells.c.manifest == self.manifests.c.number)
            .where(self.cells.c.image == bytes.fromhex(image))
            .order_by(self.manifests.c.number)
        )
        with self.engine.connect() as connection:
            return [(row.digest, row.label, row.split) for row in connection.execute(query)]

    def images_of(self, digests: Iterable[str], *, golden: bool, limit: int) -> tuple[list[str], int]:
        """Up to `limit` images of manifests in the order of their hashes, and how many there are.

        Args:
            golden: those of the golden set, or the others.
        """
        from sqlalchemy import distinct, func, select

        chosen = select(self.manifests.c.number).where(self.manifests.c.digest.in_(list(digests)))
        side = self.cells.c.split == GOLDEN if golden else self.cells.c.split != GOLDEN
        wanted = self.cells.c.manifest.in_(chosen) & side
        some = select(distinct(self.cells.c.image)).where(wanted).order_by(self.cells.c.image).limit(limit)
        with self.engine.connect() as connection:
            count = connection.execute(select(func.count(distinct(self.cells.c.image))).where(wanted)).scalar_one()
            images = connection.execute(some).scalars().all() if limit else []
        return [bytes(image).hex() for image in images], int(count)


def index_path(home: Home) -> Path:
    """The index's file: always of this machine, since it is rebuilt from what others share."""
    return home.databases / "lineage.db"


def open_index(home: Home) -> CellIndex:
    """The index of a home, made where it is missing."""
    return CellIndex(open_database(database_url(None, index_path(home), named="lineage")))
