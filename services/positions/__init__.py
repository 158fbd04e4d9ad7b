"""Where things that move are and were: positions, the latest of each, trips, stops and mileage."""
