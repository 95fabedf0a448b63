SELECT min(slot) FROM cost_slot
