"""Contracts: what must hold for every registered layer and every door."""
