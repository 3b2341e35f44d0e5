"""What the log holds and which windows are asked for; imported by everybody, so it imports nothing."""

KINDS = ("purchase", "view", "email_open", "return", "contact", "complaint")
CHANNELS = ("web", "app", "shop", "phone", "partner")
COUNTED = ("7d", "30d", "90d", "180d", "365d", "all")
SPENT = ("7d", "30d", "90d", "180d", "365d", "all")
LONG = ("90d", "365d", "all")
ACTIVE = ("30d", "365d", "all")
