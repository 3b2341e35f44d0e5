"""The short names by which features are declared."""

from crmintel.columns import KIND
from crmintel.features import catalog as c
from crmintel.features.filters import Where
from crmintel.features.spec import Windowed


def recency(where: Where | None = None) -> c.Recency:
    """Days since the last interaction.

    >>> recency().features({})[0].words
    'days since the last interaction'
    """
    return c.Recency(where=where)


def tenure(where: Where | None = None) -> c.Tenure:
    """Days since the first interaction.

    >>> tenure().features({})[0].words
    'days since the first interaction'
    """
    return c.Tenure(where=where)


def since(by: str = KIND, where: Where | None = None) -> c.Since:
    """Days since the last interaction of each value of a column.

    >>> [f.words for f in since().features({"kind": ("complaint", "purchase")})]
    ['days since the last complaint', 'days since the last purchase']
    """
    return c.Since(by=by, where=where)


def count(where: Where | None = None) -> c.Count:
    """Number of interactions.

    >>> count().over("7d", "all").features({})[0].words
    'interactions in the last 7 days'
    """
    return c.Count(where=where)


def total(column: str, where: Where | None = None) -> c.Total:
    """Sum of a number.

    >>> total("amount").over("30d").features({})[0].words
    'total amount of interactions in the last 30 days'
    """
    return c.Total(column=column, where=where)


def mean(column: str, where: Where | None = None) -> c.Mean:
    """Mean of a number.

    >>> mean("amount").over("90d").features({})[0].words
    'mean amount of interactions in the last 90 days'
    """
    return c.Mean(column=column, where=where)


def largest(column: str, where: Where | None = None) -> c.Largest:
    """Largest value of a number.

    >>> largest("amount").features({})[0].words
    'largest amount of interactions so far'
    """
    return c.Largest(column=column, where=where)


def smallest(column: str, where: Where | None = None) -> c.Smallest:
    """Smallest value of a number.

    >>> smallest("rating").over("365d").features({})[0].words
    'smallest rating of interactions in the last 365 days'
    """
    return c.Smallest(column=column, where=where)


def spread(column: str, where: Where | None = None) -> c.Spread:
    """Sample standard deviation of a number.

    >>> spread("amount").over("90d").features({})[0].words
    'unevenness of the amount of interactions in the last 90 days'
    """
    return c.Spread(column=column, where=where)


def median(column: str, where: Where | None = None) -> c.Quantile:
    """Median of a number.

    >>> median("amount").over("90d").features({})[0].words
    'median amount of interactions in the last 90 days'
    """
    return c.Quantile(column=column, where=where)


def quantile(column: str, q: float, where: Where | None = None) -> c.Quantile:
    """Quantile of a number, linear between neighbours.

    >>> quantile("amount", 0.9).over("90d").features({})[0].name
    'quantile0.9_amount_90d'
    """
    return c.Quantile(column=column, q=q, where=where)


def drift(column: str, where: Where | None = None) -> c.Drift:
    """Least-squares slope of a number over time, a day; such as whether ratings rise.

    >>> drift("rating").over("365d").features({})[0].words
    'change a day of the rating of interactions in the last 365 days'
    """
    return c.Drift(column=column, where=where)


def first(column: str, where: Where | None = None) -> c.First:
    """Earliest value of a number.

    >>> first("amount").features({})[0].words
    'amount of the first interaction so far'
    """
    return c.First(column=column, where=where)


def last(column: str, where: Where | None = None) -> c.Last:
    """Latest value of a number.

    >>> last("rating").features({})[0].words
    'rating of the last interaction so far'
    """
    return c.Last(column=column, where=where)


def first_day(column: str, where: Where | None = None) -> c.FirstDay:
    """Sum of a number over the first local day that has one.

    >>> first_day("amount").features({})[0].words
    'amount on the first day with interactions so far'
    """
    return c.FirstDay(column=column, where=where)


def distinct(column: str, where: Where | None = None) -> c.Distinct:
    """Number of different values of a column.

    >>> distinct("item_id").over("90d").features({})[0].words
    'different items among interactions in the last 90 days'
    """
    return c.Distinct(column=column, where=where)


def active_days(where: Where | None = None) -> c.ActiveDays:
    """Local days with an interaction.

    >>> active_days().over("30d").features({})[0].words
    'days with interactions in the last 30 days'
    """
    return c.ActiveDays(where=where)


def active_weeks(where: Where | None = None) -> c.ActiveDays:
    """Local weeks, from Monday on, with an interaction.

    >>> active_weeks().over("90d").features({})[0].words
    'weeks with interactions in the last 90 days'
    """
    return c.ActiveDays(where=where, unit="week")


def active_months(where: Where | None = None) -> c.ActiveDays:
    """Local calendar months with an interaction.

    >>> active_months().over("365d").features({})[0].words
    'months with interactions in the last 365 days'
    """
    return c.ActiveDays(where=where, unit="month")


def streaks(where: Where | None = None, *, unit: str = "week") -> c.Streaks:
    """Local days, weeks or months in a row with an interaction: the streak that still lasts, and the longest ever.

    >>> [f.words for f in streaks(unit="month").features({})]
    ['months in a row with interactions, still lasting', 'months in a row with interactions, the longest streak']
    """
    return c.Streaks(where=where, unit=unit)


def joined(where: Where | None = None) -> c.Joined:
    """The cohort: local year and month of the first interaction.

    >>> [f.name for f in joined().features({})]
    ['joined_year', 'joined_month']
    """
    return c.Joined(where=where)


def gaps(where: Where | None = None) -> c.Gaps:
    """The rhythm of days with an interaction, five features.

    >>> [f.name for f in gaps().features({})]
    ['gap_mean_all', 'gap_spread_all', 'gap_longest_all', 'gap_last_all', 'gap_overdue_all']
    """
    return c.Gaps(where=where)


def trend(feature: Windowed, window: str) -> c.Trend:
    """A feature over a window minus the same over the window before.

    >>> trend(count(), "30d").features({})[0].words
    'change of interactions in the last 30 days against the 30 days before'
    """
    return c.Trend(inner=feature, windows=(window,))


def slope(feature: Windowed, window: str, *, bins: int = 6) -> c.Slope:
    """Least-squares slope of a feature over several windows in a row, a window.

    >>> slope(count(), "30d", bins=3).features({})[0].words
    'slope of interactions over the last 3 times 30 days'
    """
    return c.Slope(inner=feature, windows=(window,), bins=bins)


def difference(top: Windowed, bottom: Windowed) -> c.Difference:
    """One feature less another over the same windows, such as points earned less points redeemed.

    >>> from crmintel.features import where
    >>> difference(total("points", where(kind="earn")), total("points", where(kind="redeem"))).over("90d").features({})[0].words
    'total points of earns less total points of redeems in the last 90 days'
    """
    return c.Difference(top=top, bottom=bottom)


def share_of_customer(feature: Windowed) -> c.OfCustomer:
    """A feature of a (customer, item) pair as a share of the customer's own: of the total of `amount`, the share of wallet.

    >>> share_of_customer(total("amount").over("90d")).features({})[0].words
    'share of all total amount of interactions in the last 90 days'
    """
    return c.OfCustomer(inner=feature, windows=feature.windows)


def share_where(condition: Where, among: Where | None = None) -> c.Ratio:
    """The share of interactions that meet a condition, such as ``share_where(weekend(), buys)``.

    >>> from crmintel.features import weekend, where
    >>> share_where(weekend(), where(kind="purchase")).over("90d").features({})[0].words
    'share at the weekend among purchases in the last 90 days'
    """
    both = condition if among is None else among & condition
    of = "interactions" if among is None else among.words
    stem = "_".join(["share", condition.label, *([among.label] if among else [])])
    return c.Ratio(top=count(both), bottom=count(among)).named(
        stem, f"share {condition.condition or condition.words} among {of}"
    )


def year_ago(feature: Windowed, *windows: str) -> c.YearAgo:
    """A feature over the windows that ended 364 days before.

    >>> year_ago(active_days(), "30d").features({})[0].words
    'days with interactions in the same 30 days a year ago'
    """
    return c.YearAgo(inner=feature, windows=windows)


def share(column: str, where: Where | None = None) -> c.Share:
    """Share of each value of a column.

    >>> [f.name for f in share("channel").over("90d").features({"channel": ("app", "shop")})]
    ['share_channel=app_90d', 'share_channel=shop_90d']
    """
    return c.Share(column=column, where=where)


def entropy(column: str, where: Where | None = None) -> c.Entropy:
    """How mixed the values of a column are.

    >>> entropy("category").over("90d").features({})[0].words
    'variety of categories among interactions in the last 90 days'
    """
    return c.Entropy(column=column, where=where)


def top_share(column: str, where: Where | None = None) -> c.TopShare:
    """Share of the most frequent value of a column.

    >>> top_share("channel").over("90d").features({})[0].words
    'share of the favourite channel among interactions in the last 90 days'
    """
    return c.TopShare(column=column, where=where)


def top(column: str, where: Where | None = None) -> c.Top:
    """The most frequent value of a column, as its place in the vocabulary: ``top("channel")`` is the preferred channel.

    >>> top("channel").over("90d").features({"channel": ("app", "shop")})[0].words
    'favourite channel of interactions in the last 90 days'
    """
    return c.Top(column=column, where=where)


def first_value(column: str, where: Where | None = None) -> c.FirstValue:
    """The first value of a column, as its place in the vocabulary.

    >>> first_value("channel").features({"channel": ("app", "shop")})[0].words
    'channel of the first interaction so far'
    """
    return c.FirstValue(column=column, where=where)


def last_value(column: str, where: Where | None = None) -> c.LastValue:
    """The latest value of a column, as its place in the vocabulary.

    >>> last_value("channel").features({"channel": ("app", "shop")})[0].words
    'channel of the last interaction so far'
    """
    return c.LastValue(column=column, where=where)


def response(contacts: Where, answers: Where, *, within: str = "7d") -> c.Response:
    """Response to contacts or promotions: the share answered within a time, and the mean hours until the answer.

    >>> from crmintel.features import where
    >>> [f.words for f in response(where(kind="contact"), where(kind="purchase")).over("365d").features({})]
    ['share of contacts followed by purchases within 7 days in the last 365 days', 'mean hours from contacts to purchases within 7 days in the last 365 days']
    """
    return c.Response(where=contacts, answers=answers, within=within)


def best_hour(contacts: Where, answers: Where, *, within: str = "7d") -> c.BestHour:
    """The local hour whose contacts were answered most often.

    >>> from crmintel.features import where
    >>> best_hour(where(kind="contact"), where(kind="purchase")).features({})[0].words
    'local hour at which contacts were answered most often so far'
    """
    return c.BestHour(where=contacts, answers=answers, within=within)


def resolution(complaints: Where, resolutions: Where) -> c.Resolution:
    """Mean days from complaint to resolution, and complaints still open.

    >>> from crmintel.features import where
    >>> [f.words for f in resolution(where(kind="complaint"), where(kind="resolution")).features({})]
    ['days from complaints to resolutions so far', 'complaints so far still open']
    """
    return c.Resolution(where=complaints, answers=resolutions)


def attribute(name: str) -> c.Attribute:
    """A number from the customer's profile, as it was at the instant.

    >>> attribute("age").features({})[0].words
    'age'
    """
    return c.Attribute(attribute=name)


def attribute_value(name: str) -> c.AttributeValue:
    """A name from the customer's profile, as it was at the instant, as its place in the vocabulary.

    >>> attribute_value("city").features({"profile.city": ("Leeds", "York")})[0].words
    'city'
    """
    return c.AttributeValue(attribute=name)


def decayed(column: str | None = None, where: Where | None = None, *, half_life: str = "30d") -> c.Decayed:
    """A count, or a sum of a number, that fades with age.

    >>> decayed("amount", half_life="90d").features({})[0].words
    'recent amount of interactions (each counts half after 90 days)'
    """
    return c.Decayed(column=column, where=where, half_life=half_life)
