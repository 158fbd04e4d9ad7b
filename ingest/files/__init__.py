"""Files into layers: uploads kept, read, matched to fields, checked, written in one transaction, and undone."""
