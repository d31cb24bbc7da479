"""Archived days added up by a Spark cluster, with the same expression as DuckDB: for a fleet too big for one host.

The archive's folder must have the same path on every worker. Spark's own settings come from where Spark looks for them
(spark-defaults.conf).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import ibis
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from hoptrail_reports.errors import ClusterError
from hoptrail_reports.topology.expression import Sources
from hoptrail_store.archive.parts import SCHEMAS, Part

_SETTINGS: Final = {
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # a host may be called 7
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def open_cluster(master: str, archive: Path, parts: Sequence[Part]) -> Iterator[Sources]:
    """Give the tables of some parts on a Spark cluster for a block; raises ClusterError where there is none."""
    builder = SparkSession.builder.appName("hoptrail").master(master)
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise ClusterError(f"{master}: no Spark cluster answers ([reports] spark): {error}") from error
    try:
        reader = session.read.option("basePath", str(archive))
        for table in SCHEMAS:
            reader.parquet(*(str(part.file(table)) for part in parts)).createOrReplaceTempView(table)
        connection = ibis.pyspark.connect(session)
        yield Sources(*(connection.table(table) for table in ("messages", "hops", "names")))
    except PySparkException as error:
        raise ClusterError(f"{master}: {str(error).splitlines()[0]}") from error
    finally:
        session.stop()
