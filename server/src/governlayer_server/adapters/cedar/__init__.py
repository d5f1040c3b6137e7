"""Cedar through cedarpy, with its sharp edges covered."""
