"""The admin pages of every layer, derived from its declaration; rows and rights come from the gate."""
