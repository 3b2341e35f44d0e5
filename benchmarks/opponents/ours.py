"""crmintel.

python -m benchmarks.opponents.ours FILE --at T [T …] --threads N --out FILE.parquet [--stream --memory 500MB] [--shared]
"""

import warnings

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.opponents.command import Steps, parser
from benchmarks.opponents.declared import feature_set, shared_set
from crmintel import InteractionLog
from crmintel.errors import DataContractWarning

READ_MEMORY = "300MB"


def main() -> None:
    """The command; prints the seconds of each step."""
    command = parser(__doc__)
    command.add_argument("--stream", action="store_true", help="never hold the table: --out is a folder of parts")
    command.add_argument("--memory", default="500MB", help="bound of a streamed build")
    command.add_argument("--shared", action="store_true", help="only the features that featuretools has too")
    options = command.parse_args()
    warnings.simplefilter("ignore", DataContractWarning)
    pa.set_cpu_count(options.threads)
    at = options.at if len(options.at) > 1 else options.at[0]
    features, steps = shared_set() if options.shared else feature_set(), Steps()
    if options.stream:
        with steps.step("read"):
            log = InteractionLog.read(options.file, timezone="UTC", memory=READ_MEMORY)
        with steps.step("build"):
            features.build(log, at=at, threads=options.threads, memory=options.memory, out=options.out)
    else:
        with steps.step("read"):
            log = InteractionLog.read(options.file, timezone="UTC")
        with steps.step("build"):
            table = features.build(log, at=at, threads=options.threads)
        with steps.step("write"):
            pq.write_table(pa.Table.from_pandas(table.reset_index(), preserve_index=False), options.out)
    print(steps)


if __name__ == "__main__":
    main()
