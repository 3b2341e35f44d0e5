"""One Spark on two cores for all tests, where PySpark and Java are there."""

import os
import shutil
import sys

import pytest

from tests.features.conftest import late, nasty, simulated, world  # noqa: F401 - the same worlds
from tests.scoring.conftest import bundle  # noqa: F401 - the same model


@pytest.fixture(scope="session")
def spark():
    """A session; its zone is changed by the tests."""
    pytest.importorskip("pyspark", reason="needs the extra crmintel[spark]")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java 17")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["OMP_NUM_THREADS"] = "1"
    session = (
        SparkSession.builder.master("local[2]").appName("crmintel").config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "3").config("spark.driver.memory", "1g").config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "97").getOrCreate()
    )  # fmt: skip
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
