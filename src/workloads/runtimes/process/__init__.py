"""The process runtime: servers as plain processes of this machine, with nothing to install and no isolation."""
