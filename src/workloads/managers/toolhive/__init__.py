"""What ToolHive's own command, ``thv``, runs on this machine: seen and managed from here."""
