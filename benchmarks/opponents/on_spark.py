"""The same features on a local Spark.

python -m benchmarks.opponents.on_spark FILE --at T [T …] --threads N --out FOLDER
"""

import os
import sys

from pyspark.sql import SparkSession

from benchmarks.opponents.command import parser
from benchmarks.opponents.declared import feature_set
from crmintel import spark


def main() -> None:
    """The command."""
    options = parser(__doc__).parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master(f"local[{options.threads}]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", 4)
        .getOrCreate()
    )
    spark.build(feature_set(), session.read.parquet(options.file), at=options.at).write.parquet(options.out)
    session.stop()


if __name__ == "__main__":
    main()
