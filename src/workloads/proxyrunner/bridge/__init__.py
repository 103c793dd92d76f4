"""The bridge from a server on standard input and output to streamable HTTP.

One process serves many clients, none of whom knows of the others: so what names something on the pipe (ids of requests,
progress tokens, subscriptions) is replaced by names of the bridge's own, and restored on the way back.
"""
