"""The same 75 features in the style of other tools, each a command of its own."""
