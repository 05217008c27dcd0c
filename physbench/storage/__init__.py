"""The dataset file: layout, journal, writer, reader, verify."""
