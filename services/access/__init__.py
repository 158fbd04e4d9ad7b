"""The one gate for rights: turns (principal, layer, action) into rows and fields, and carries out changes."""
