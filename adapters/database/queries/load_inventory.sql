SELECT body FROM inventory
