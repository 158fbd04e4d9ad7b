"""Charts that people make of any layer, its records, what is measured or a table of their own; screens draw them."""
