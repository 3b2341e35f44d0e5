"""One fit by lifetimes, in an environment of its own: CPU seconds, parameters and log-likelihood.

python benchmarks/opponents/value_lifetimes.py FILE.npy BetaGeoModel|ModifiedBetaGeoModel|ParetoModel

The file holds frequency, t_x and T in weeks, one row a customer.
"""

import json
import sys
import time
import warnings

import numpy as np
from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

FITTERS = {"BetaGeoModel": BetaGeoFitter, "ModifiedBetaGeoModel": ModifiedBetaGeoFitter, "ParetoModel": ParetoNBDFitter}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    x, t, age = np.load(sys.argv[1])
    fitter = FITTERS[sys.argv[2]]
    few = slice(0, 300)
    fitter(penalizer_coef=0.01).fit(x[few], t[few], age[few])  # first calls load and compile
    start = time.process_time()
    found = fitter().fit(x, t, age)
    cpu = time.process_time() - start
    print(json.dumps({"cpu": cpu, "parameters": dict(found.params_), "loss": float(found._negative_log_likelihood_)}))
