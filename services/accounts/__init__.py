"""Who: users, the roles they hold in a region or an organisation, and tokens for other systems."""
