"""Rural houses: the stock, the ones being built, the dangerous ones; and the craftsmen who build them."""
