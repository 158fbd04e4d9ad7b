"""Files that belong to features: photos, recordings, films and documents, kept as they came."""
