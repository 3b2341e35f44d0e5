"""The data sets of the recommenders' benchmark: what is learned from, what comes later, and how lists are judged."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measure import DATA, environment, run
from crmintel import InteractionLog, Policies
from crmintel.datasets.public import complete_journey
from crmintel.recommend import Recommender

K = 20
IMPLICIT = ("implicit==0.7.3", "mlxtend==0.25.0", "pandas", "pyarrow")
PEERS = ("implicit ALS 64", "implicit BPR 64", "implicit cosine 100", "implicit BM25 100", "implicit TF-IDF 100")
Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A data set, cut in two.

    Parameters
    ----------
    name : str
    log : what is learned from
    truth : DataFrame of customer_id, item_id
        What comes later, of customers known before; once each.
    task : "new" or "next"
        Whether what was bought before may be offered.
    """

    name: str
    log: InteractionLog
    truth: pd.DataFrame
    task: str

    @property
    def asked(self) -> pd.Index:
        """Who is judged."""
        return pd.Index(np.sort(self.truth["customer_id"].unique()), name="customer_id")


def cases(quick: bool) -> Iterator[Case]:
    """Each data set."""
    yield by_time(
        "movielens_100k, last fifth by time", pd.read_parquet(DATA / "movielens_100k" / "interactions.parquet"), "new"
    )
    if quick:
        return
    retail = pd.read_parquet(DATA / "online_retail" / "interactions.parquet").dropna(subset=["customer_id"])
    retail = retail[retail["quantity"] > 0].astype({"customer_id": int})
    foodmart = pd.read_parquet(DATA / "foodmart" / "interactions.parquet")
    foodmart = foodmart[foodmart["timestamp"] < "1998-01-01"]
    journey, _ = complete_journey()
    for name, frame in (("online_retail", retail), ("foodmart 1997", foodmart), ("completejourney", journey)):
        for task in ("new", "next"):
            yield by_time(
                f"{name}, last tenth by time, {'new items' if task == 'new' else 'repeats allowed'}", frame, task, 0.9
            )
    books = pd.read_parquet(DATA / "book_crossing_caserec" / "book_history.parquet")
    yield by_chance(
        "book_crossing, a fifth hidden by chance", books.rename(columns={"user": "customer_id", "item": "item_id"})
    )
    steam = pd.read_parquet(DATA / "steam_caserec" / "game_purchase.parquet")
    yield by_chance(
        "steam, a fifth hidden by chance", steam.rename(columns={"User_ID": "customer_id", "Game_ID": "item_id"})
    )
    for name in ("beauty", "toys_and_games"):
        yield last_item(f"{name}, the last item hidden", pd.read_parquet(DATA / "s3rec_sequences" / f"{name}.parquet"))


def gowalla() -> Case:
    """The split of the published tables."""
    names = {"user_id": "customer_id"}
    train, test = (
        pd.read_parquet(DATA / "gowalla_lightgcn_split" / f"{n}.parquet").rename(columns=names)
        for n in ("train", "test")
    )
    return Case(
        "gowalla, LightGCN split",
        read(train.assign(timestamp=pd.Timestamp("2020-01-01"))),
        test[["customer_id", "item_id"]],
        "new",
    )


def read(frame: pd.DataFrame) -> InteractionLog:
    """A log of what matters here."""
    kept = [c for c in ("customer_id", "timestamp", "item_id", "order_id") if c in frame]
    return InteractionLog.read(
        frame[kept], policies=Policies(on_missing="drop", on_shared_order="keep", on_missing_item="keep"), quiet=True
    )


def by_time(name: str, frame: pd.DataFrame, task: str, share: float = 0.8) -> Case:
    """Cut at an instant."""
    frame = frame.dropna(subset=["item_id"])
    cut = frame["timestamp"].quantile(share)
    past, later = frame[frame["timestamp"] < cut], frame[frame["timestamp"] >= cut]
    return Case(name, read(past), judged(past, later, task), task)


def by_chance(name: str, frame: pd.DataFrame) -> Case:
    """Hide a fifth of the pairs."""
    frame = frame[["customer_id", "item_id"]].drop_duplicates().assign(timestamp=pd.Timestamp("2024-01-01"))
    away = np.random.default_rng(0).random(len(frame)) < 0.2
    return Case(name, read(frame[~away]), judged(frame[~away], frame[away], "new"), "new")


def last_item(name: str, frame: pd.DataFrame) -> Case:
    """Hide the last item of each customer."""
    frame = frame.rename(columns={"user_id": "customer_id"}).sort_values(["customer_id", "position"])
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["position"], unit="h")
    last = ~frame.duplicated("customer_id", keep="last")
    return Case(name, read(frame[~last]), judged(frame[~last], frame[last], "new"), "new")


def judged(past: pd.DataFrame, later: pd.DataFrame, task: str) -> pd.DataFrame:
    """What is to be found: of customers and items known before, and new to the customer if new items are asked for."""
    truth = later[["customer_id", "item_id"]].drop_duplicates()
    truth = truth[truth["customer_id"].isin(past["customer_id"]) & truth["item_id"].isin(past["item_id"])]
    if task == "new":
        seen = pd.MultiIndex.from_frame(past[["customer_id", "item_id"]].drop_duplicates())
        truth = truth[~pd.MultiIndex.from_frame(truth).isin(seen)]
    return truth.reset_index(drop=True)


@dataclass(frozen=True)
class Judged:
    """Recall and NDCG (ideal over min(k, items)) of each customer asked for, and CPU seconds of fit and lists."""

    recall: Float
    ndcg: Float
    fit: float
    lists: float


def judge(case: Case, lists: pd.DataFrame, fit: float, seconds: float) -> Judged:
    """Lists of customer_id, item_id, rank against what came later."""
    asked = case.asked
    lists = lists[lists["rank"] <= K]
    hit = pd.MultiIndex.from_frame(lists[["customer_id", "item_id"]]).isin(pd.MultiIndex.from_frame(case.truth))
    who = asked.get_indexer(pd.Index(lists["customer_id"]))
    known = who >= 0
    gain = 1 / np.log2(lists["rank"].to_numpy() + 1)
    size = case.truth.groupby("customer_id").size().reindex(asked).to_numpy()
    ideal = np.cumsum(1 / np.log2(np.arange(2, K + 2)))[np.minimum(size, K) - 1]
    hits, gains = (np.bincount(who[known], w[known], len(asked)) for w in (hit.astype(float), hit * gain))
    return Judged(hits / size, gains / ideal, fit, seconds)


def ours(case: Case, model: Recommender, **options: Any) -> Judged:
    """A recommender of this package."""
    start = time.process_time()
    model.fit(case.log)
    fitted = time.process_time()
    exclude: Any = "bought" if case.task == "new" else None
    lists = model.recommend(case.asked, k=min(K, len(model.items_)), exclude=exclude, **options)
    return judge(case, lists, fitted - start, time.process_time() - fitted)


def peers(case: Case, fitted: Recommender, names: tuple[str, ...] = PEERS) -> dict[str, Judged]:
    """implicit's models on the same pairs, in their own environment; none where it cannot be had."""
    python = environment("implicit", IMPLICIT)
    if python is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        pairs, out = Path(folder) / "pairs.npz", Path(folder) / "out.npz"
        table = fitted.history_.tocoo()
        asked = fitted.customers_.get_indexer(case.asked)
        np.savez(
            pairs,
            who=table.row,
            item=table.col,
            n=np.minimum(table.data, 1.0),
            shape=np.array(table.shape),
            asked=asked,
        )
        script = str(Path(__file__).parent / "opponents" / "recommend_implicit.py")
        run(
            [script, str(pairs), str(out), str(K), "1" if case.task == "new" else "0", ",".join(names)],
            threads=1,
            python=python,
        )
        found = np.load(out)
        result = {}
        for name in names:
            items = found[f"{name}|items"]
            row, place = np.nonzero(items >= 0)
            lists = pd.DataFrame(
                {"customer_id": case.asked[row], "item_id": fitted.items_[items[row, place]], "rank": place + 1}
            )
            result[name] = judge(case, lists, *map(float, found[f"{name}|seconds"]))
    return result
