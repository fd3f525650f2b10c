"""Sail, a Spark without a JVM, over Spark Connect: reads one version of a Delta table.

A program of its own: `URI VERSION FILE` writes the rows into FILE as Arrow IPC. It runs with the
folder of `make readers` in PYTHONPATH and imports nothing of ours.
"""

from __future__ import annotations

import sys

import pyarrow as pa
from pysail.spark import SparkConnectServer  # type: ignore[import-not-found,unused-ignore]
from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Reads and writes."""
    uri, version, path = sys.argv[1:]
    server = SparkConnectServer(port=0)
    server.start(background=True)
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    frame = session.read.format("delta").option("versionAsOf", version).load(uri)
    rows = frame.where("_deleted_at IS NULL").toArrow()
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
    session.stop()
    server.stop()


if __name__ == "__main__":
    main()
