"""Finding: the filters of one layer, and one search box over all layers."""
