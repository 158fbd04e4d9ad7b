"""Commands of the subscriptions."""
