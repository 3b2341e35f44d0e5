"""crmintel.

python -m benchmarks.opponents.ours FILE --at T [T …] --threads N --out FOLDER [--stream] [--shared]
"""

import warnings

import pyarrow as pa

from benchmarks.opponents.command import Steps, parser
from benchmarks.opponents.declared import feature_set, shared_set
from crmintel import InteractionLog
from crmintel.errors import DataContractWarning

BOUNDED = "300MB"


def main() -> None:
    """The command; prints the seconds of each step."""
    command = parser(__doc__)
    command.add_argument(
        "--stream", action="store_true", help="hold no more of the log than a bound; the rest is on disk"
    )
    command.add_argument("--shared", action="store_true", help="only the features that featuretools has too")
    options = command.parse_args()
    warnings.simplefilter("ignore", DataContractWarning)
    pa.set_cpu_count(options.threads)
    at = options.at if len(options.at) > 1 else options.at[0]
    features, steps = shared_set() if options.shared else feature_set(), Steps()
    with steps.step("read"):
        log = InteractionLog.read(options.file, timezone="UTC", memory=BOUNDED if options.stream else "2GB")
    with steps.step("build"):
        features.build(log, at=at, threads=options.threads, out=options.out)
    print(steps)


if __name__ == "__main__":
    main()
