"""RFM by crmintel: seconds from a frame to segments, and from a log that was read before; the best of five.

python -m benchmarks.opponents.rfm_ours FILE
"""

import json
import sys
import time
import warnings

import pandas as pd

from crmintel import InteractionLog
from crmintel.errors import DataContractWarning
from crmintel.segmentation import RFM

AT = "2024-01-01"


def main() -> None:
    """The command."""
    warnings.simplefilter("ignore", DataContractWarning)
    frame, least = pd.read_parquet(sys.argv[1]), {"frame": 1e9, "log": 1e9}
    log = InteractionLog.read(frame)
    for name, history in (("frame", frame), ("log", log)) * 5:
        begin = time.process_time()
        RFM().fit(history, at=AT).segments()
        least[name] = min(least[name], time.process_time() - begin)
    print(json.dumps(least))


if __name__ == "__main__":
    main()
