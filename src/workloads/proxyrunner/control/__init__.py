"""What answers the operator of a proxy runner rather than its clients, on an address of its own."""
