"""Reading graphs from files: archives, folders of tables, and the formats of other programs."""
