"""Where rows land and how they are asked for."""
