"""What MLflow calls to load a bundle and to ask it: installed code, data only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import pandas as pd

from crmintel.scoring import load_bundle
from crmintel.scoring.requests import answer


@final
class Loaded:
    """A model behind MLflow's interface.

    Parameters
    ----------
    model : CustomerModel or another model of crmintel
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Scores of the customers of raw interactions (with a column ``timestamp``), or of rows of features.

        Parameters
        ----------
        data : DataFrame
        params : mapping
            ``at``: the instant, now without it; only for interactions.

        Raises
        ------
        DataContractError
            If columns are missing or hold something else than they should; no cell is named.
        """
        return answer(self.model, pd.DataFrame(data), (params or {}).get("at") or None)


def _load_pyfunc(path: str) -> Loaded:
    """MLflow's way in; `path` is the bundle, or the folder that holds it."""
    home = Path(path)
    found = (
        home
        if (home / "manifest.sha256").exists()
        else next((p.parent for p in sorted(home.glob("*/manifest.sha256"))), home)
    )
    return Loaded(load_bundle(found))
