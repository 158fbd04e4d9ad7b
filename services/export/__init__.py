"""What goes out of a layer as a file: tables for Excel, CSV, GeoPackage and GeoJSON, and a map in one HTML file."""
